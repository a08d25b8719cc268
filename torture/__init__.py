"""Real nodes in processes of their own, tortured by a schedule that a seed draws; afterwards the books have to balance."""
