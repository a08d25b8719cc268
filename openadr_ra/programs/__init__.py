"""What the commands do: typed calls, so that a test and another program can make them too."""
