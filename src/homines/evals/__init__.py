"""The studies as tasks of Inspect (inspect-ai), and its logs as run folders."""
