"""What things cost, beside a floor and a peer, measured in the same run."""
