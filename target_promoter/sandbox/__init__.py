"""A stand-in Promoter account that speaks Promoter's API over HTTP.

Promoter has no sandbox: every survey call e-mails a person. This package is what a
pipeline can be tried on instead. It knows the API's public facts and nothing of this
target's own code. Where those facts are silent it takes the reading that forgives least;
the docstrings say where.

Import `SandboxServer` from `server`: only that module needs uvicorn.
"""
