"""What steps write down for people and for later steps: one model for each JSON file in an artifact."""
