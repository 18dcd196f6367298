"""HTTP: routes under ``/v1``, health, and the page that opens a footnote."""
