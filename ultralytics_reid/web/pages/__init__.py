"""The pages, a module each; each has `routes(read_only)`."""
