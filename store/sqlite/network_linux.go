package sqlite

import "syscall"

// networkFileSystems are the magic numbers of Linux (statfs(2)) for file systems whose locks and syncs SQLite cannot rely on.
var networkFileSystems = map[uint32]string{
	0x6969: "nfs", 0x517b: "smb", 0xfe534d42: "smb2", 0xff534d42: "cifs", 0x01021997: "9p", 0x00c36400: "ceph",
	0x0bd00bd0: "lustre", 0x5346414f: "afs", 0x6b414653: "afs", 0x73757245: "coda", 0x01161970: "gfs2", 0x7461636f: "ocfs2",
	0x47504653: "gpfs", 0xaad7aaea: "panfs",
}

func networkFileSystem(dir string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return ""
	}
	return networkFileSystems[uint32(s.Type)] //nolint:gosec // its upper half is empty, or filled up with its sign
}

// mayWrite asks the kernel, without opening anything.
func mayWrite(path string) error {
	const write = 2
	return syscall.Access(path, write)
}
