//go:build unix

package pgtest

// Launch starts a cluster for a program that is no test, such as a bench, with more settings of PostgreSQL, each as a line
// of its configuration file; they count more than those that every cluster has. The program calls [Cluster.Remove] at its
// end.
func Launch(more ...string) (*Cluster, error) { return start(more...) }

// Remove ends the server and forgets its data.
func (c *Cluster) Remove() error { return c.remove() }

// Pid is the process id of the server, which is the parent of the processes of its sessions. The server must run.
func (c *Cluster) Pid() int { return c.server.cmd.Process.Pid }
