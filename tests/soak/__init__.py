"""The real daemon for hours of taps, lost readers, cut links and changed tables, and what it takes of the machine."""
