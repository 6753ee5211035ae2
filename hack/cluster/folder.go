package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Bridge, addresses and cgroups have names that the machine has once. So it has one cluster, whose folder stands in
// this file.
const ownerFile = "/run/dataset-audit-cluster"

// marker tells the cluster's folder from any other, which is never removed.
const marker = ".dataset-audit-cluster"

// lock keeps two calls from each other's cluster, until this process ends.
func (c *cluster) lock() error {
	if !filepath.IsAbs(c.folder) || filepath.Clean(c.folder) != c.folder {
		return fmt.Errorf("the cluster's folder must be an absolute path, not %q", c.folder)
	}
	file, err := os.OpenFile(ownerFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		say("another call is at work: waiting for it")
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			return err
		}
	}
	held = file
	owner, err := os.ReadFile(ownerFile)
	if err != nil {
		return err
	}
	if other := strings.TrimSpace(string(owner)); other != "" && other != c.folder {
		if len((&cluster{folder: other}).running()) > 0 {
			return fmt.Errorf("there is a cluster already, in %s: a machine has one", other)
		}
	}
	return os.WriteFile(ownerFile, []byte(c.folder), 0o600)
}

// held is the locked file: the lock ends with the process.
var held *os.File

// makeFolder makes the folder, which nobody else may have made: what it names is executed by root.
func (c *cluster) makeFolder() error {
	if err := os.Mkdir(c.folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(c.path(marker), nil, 0o600)
}

func (c *cluster) removeFolder() error {
	_, err := os.Lstat(c.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Lstat(c.path(marker)); err != nil {
		return fmt.Errorf("%s is not a folder of a cluster, so it is not removed: %w", c.folder, err)
	}
	if err := os.RemoveAll(c.folder); err != nil {
		return fmt.Errorf("remove the cluster's folder: %w", err)
	}
	return nil
}
