// Package catalog is everything that is deployed on a host or a cluster of them: projects, APIs with their deployments and stages,
// functions with their versions and aliases, and secrets. It reads and changes them in a host.Store and a host.Blobs, and
// composes from them the snapshot that a host runs.
//
// What is immutable is a blob: code, the definition of a project as it was applied (a Bundle), and each document of a resource.
// One small root document (the key "state") names the digests of all resources, and a change writes its blobs, then swaps
// that root with compare-and-swap. So there is no half-made change, also after a kill, and the rules between resources (names
// that are taken, versions that something points at) are checked against one consistent state. A writer that was second
// reads again and tries its change on the new state; only a change that was made for a certain revision fails then.
// Blobs that nothing names any more are collected later.
//
// Secrets that users put are documents of their own ("secrets/NAME", sealed), so that they are rotated without a change of the state;
// the values of a project's files are sealed documents that the project names, so that they change with what reads them.
package catalog
