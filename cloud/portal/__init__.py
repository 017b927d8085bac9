"""The pages: what all of them share, from headers and languages to the stream that keeps them live."""
