// Package s3server starts a real S3 server for tests.
package s3server

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Start starts the server whose binary VERSITYGW names (github.com/versity/versitygw), and returns the options that a
// URL needs to reach it. Its buckets are empty and have the given names. Without such a binary the test is skipped.
func Start(t testing.TB, buckets ...string) (options string) {
	t.Helper()
	binary := os.Getenv("VERSITYGW")
	if binary == "" {
		t.Skip("VERSITYGW names no S3 server to test with")
	}
	root := t.TempDir()
	for _, bucket := range buckets {
		if err := os.Mkdir(filepath.Join(root, bucket), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close() // the server binds it in a moment

	t.Setenv("AWS_ACCESS_KEY_ID", "user")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "password")
	var log bytes.Buffer
	server := exec.Command(binary, "--port", address, "--quiet", "posix", root)
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY=user", "ROOT_SECRET_KEY=password")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for range 100 {
		if connection, err := net.Dial("tcp", address); err == nil {
			connection.Close()
			return "?region=us-east-1&use_path_style=true&endpoint=http://" + address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the S3 server does not answer")
	return ""
}
