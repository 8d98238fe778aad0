"""The next best question: adaptive design for answers that are drawn, cost money, or come from people."""
