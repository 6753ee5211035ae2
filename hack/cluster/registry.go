package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// pauseImage holds the namespaces of a pod.
const pauseImage = registryName + "/pause:1"

// pauseSource does nothing, and reaps what a pod with a shared process namespace leaves.
const pauseSource = `#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void done(int s) { _exit(0); }
static void reap(int s) { while (waitpid(-1, 0, WNOHANG) > 0) {} }
int main(void) { signal(SIGINT, done); signal(SIGTERM, done); signal(SIGCHLD, reap); for (;;) pause(); }
`

// startRegistry starts a registry in the background, which all nodes can pull from, with the one image that every pod
// needs.
func (c *cluster) startRegistry(ctx context.Context) error {
	cmd, err := c.background("registry", &syscall.SysProcAttr{Setsid: true}, "registry")
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := c.writePID("registry", cmd.Process.Pid); err != nil {
		return err
	}
	image, err := c.pause()
	if err != nil {
		return fmt.Errorf("pause image: %w", err)
	}
	reference, err := name.ParseReference(pauseImage, name.Insecure)
	if err != nil {
		return err
	}
	return wait(ctx, "push the pause image", func() error { return remote.Write(reference, image, remote.WithContext(ctx)) })
}

// serveRegistry serves the registry until it is killed.
func (c *cluster) serveRegistry() error {
	listener, err := net.Listen("tcp", registryName)
	if err != nil {
		return err
	}
	handler := registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(c.path("registry", "blobs"))),
		registry.Logger(log.New(os.Stderr, "", log.LstdFlags)),
	)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

func (c *cluster) pause() (v1.Image, error) {
	source, program := c.path("registry", "pause.c"), c.path("registry", "pause")
	if err := os.WriteFile(source, []byte(pauseSource), 0o600); err != nil {
		return nil, err
	}
	if err := run("gcc", "-Os", "-static", "-s", "-o", program, source); err != nil {
		return nil, err
	}
	layer, err := layerOf(program)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH
	config.Config.Entrypoint = []string{"/pause"}
	return mutate.ConfigFile(image, config)
}

// layerOf is a layer with one program in its root.
func layerOf(file string) (v1.Layer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	if err := archive.WriteHeader(&tar.Header{Name: filepath.Base(file), Mode: 0o755, Size: int64(len(data))}); err != nil {
		return nil, err
	}
	if _, err := archive.Write(data); err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer.Bytes())), nil })
}
