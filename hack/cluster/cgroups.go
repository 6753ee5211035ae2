package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	cgroupRoot = "/sys/fs/cgroup"
	// cgroup is above those of the nodes: a kubelet removes the cgroups of pods that it does not know.
	cgroup = "dataset-audit-cluster"
)

// hierarchies are the cgroup file systems: one in version 2, one for each controller in version 1.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}, nil
	}
	entries, err := os.ReadDir(cgroupRoot)
	if err != nil {
		return nil, fmt.Errorf("cgroups: %w", err)
	}
	var out []string
	for _, entry := range entries {
		folder := filepath.Join(cgroupRoot, entry.Name())
		if _, err := os.Stat(filepath.Join(folder, "cgroup.procs")); err == nil && entry.IsDir() {
			out = append(out, folder)
		}
	}
	return out, nil
}

func makeCgroups() error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		for _, name := range append([]string{""}, nodeNames()...) {
			made := filepath.Join(folder, cgroup, name)
			if err := os.Mkdir(made, 0o755); err != nil {
				return fmt.Errorf("cgroups: %w", err)
			}
			// A new group of cpuset has no CPUs and no memory until it is given some.
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				above, err := os.ReadFile(filepath.Join(filepath.Dir(made), file))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return fmt.Errorf("cgroups: %w", err)
				}
				if err := os.WriteFile(filepath.Join(made, file), above, 0o644); err != nil {
					return fmt.Errorf("cgroups: %w", err)
				}
			}
			if folder == cgroupRoot { // version 2
				if err := os.WriteFile(filepath.Join(filepath.Dir(made), "cgroup.subtree_control"), []byte("+cpu +memory +pids +cpuset +io"), 0o644); err != nil {
					return fmt.Errorf("cgroups: %w", err)
				}
			}
		}
	}
	return nil
}

func removeCgroups() error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		var groups []string
		err := filepath.WalkDir(filepath.Join(folder, cgroup), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				groups = append(groups, path)
			}
			return nil // what vanishes meanwhile is what is wanted
		})
		if err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		slices.Reverse(groups)
		for _, group := range groups {
			if err := removeCgroup(group); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCgroup removes a cgroup, whose processes may just be ending.
func removeCgroup(group string) error {
	var err error
	for range 50 {
		if err = os.Remove(group); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("cgroups: %w", err)
}
