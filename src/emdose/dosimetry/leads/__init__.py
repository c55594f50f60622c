"""What fields do along leads: tangential fields, Tier 3, tiers of ISO/TS 10974, validation of models."""
