"""Pure array functions: appearance fused into the first association's cost; motion and Hungarian for revival."""
