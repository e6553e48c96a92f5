"""`tongbao smoke`: one whole story over HTTP, every figure compared with a tally that the story keeps itself."""
