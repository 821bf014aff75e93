"""Revival of lost tracks: matching tracklets to remembered identities, decisions, and what memory learns."""
