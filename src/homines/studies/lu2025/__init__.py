"""Lu, Dhanda, Chen, Hansen 2025."""
