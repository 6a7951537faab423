//! A cluster, reached: the Kubernetes API, server-side apply, waits with an end, helm.
