"""Price competition: what agents charge, among their like and against strategies."""
