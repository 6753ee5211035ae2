// Command pod is what the end-to-end tests put into pods of their own: it moves files into volumes and out of them, where images have
// no shell.
//
//	pod untar DIR    reads a tar archive from standard input
//	pod tar DIR      writes one to standard output
//	pod wait         does nothing until it is asked to end
package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "untar":
		return untar(args[1])
	case len(args) == 2 && args[0] == "tar":
		archive := tar.NewWriter(os.Stdout)
		if err := archive.AddFS(os.DirFS(args[1])); err != nil {
			return err
		}
		return archive.Close()
	case len(args) == 1 && args[0] == "wait":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		return nil
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func untar(folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(os.Stdin)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			if err := root.MkdirAll(filepath.Clean(header.Name), 0o777); err != nil {
				return err
			}
			continue
		}
		if err := root.MkdirAll(filepath.Dir(header.Name), 0o777); err != nil {
			return err
		}
		file, err := root.Create(header.Name)
		if err != nil {
			return err
		}
		if _, err := io.Copy(file, archive); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
}
