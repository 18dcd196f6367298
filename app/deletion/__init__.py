"""Delete means gone: purging deleted documents from every place, and looking whether they are gone."""
