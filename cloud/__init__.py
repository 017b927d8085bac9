"""The service in the middle and its portal: takes the terminals' entries in and sends their tables down."""
