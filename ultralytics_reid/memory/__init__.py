"""The memory bank: identities, their prototypes and the two-stage search."""
