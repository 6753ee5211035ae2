// Command pod is what the end-to-end tests put into pods of their own: it moves files into volumes and out of them,
// where images have no shell.
//
//	pod untar DIR    reads a tar archive from standard input
//	pod tar DIR      writes one to standard output
//	pod wait         does nothing until it is asked to end
//	pod dial TO      connects to an address, or fails within three seconds
//	pod slow TO      passes what comes in on :9000 on to an address, each piece of at most 16 KiB 20 ms late
package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
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
	case len(args) == 2 && args[0] == "dial":
		connection, err := net.DialTimeout("tcp", args[1], 3*time.Second)
		if err != nil {
			return err
		}
		return connection.Close()
	case len(args) == 2 && args[0] == "slow":
		return slow(args[1])
	case len(args) == 1 && args[0] == "wait":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		return nil
	}
	return fmt.Errorf("unknown arguments %q", args)
}

func slow(to string) error {
	listener, err := net.Listen("tcp", ":9000")
	if err != nil {
		return err
	}
	for {
		from, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer from.Close()
			other, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer other.Close()
			done := make(chan struct{}, 2)
			for _, way := range [][2]net.Conn{{from, other}, {other, from}} {
				go func() {
					crawl(way[1], way[0])
					done <- struct{}{}
				}()
			}
			<-done
		}()
	}
}

// crawl copies until either side ends.
func crawl(to io.Writer, from io.Reader) {
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		time.Sleep(20 * time.Millisecond)
		if _, failed := to.Write(piece[:n]); err != nil || failed != nil {
			return
		}
	}
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
