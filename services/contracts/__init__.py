"""All that the services know of each other: the events (`events`), and the words they are made of (`words`)."""
