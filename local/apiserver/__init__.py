"""The local platform's API server: Kubernetes' REST protocol for the kinds that are used here, in memory.

`store.Store` holds the objects and the rules; `server.ApiServer` serves it over HTTP; `kinds` names what
there is. Field names and types come from `schemas`, ownership of fields and server-side apply from `fields`.
"""
