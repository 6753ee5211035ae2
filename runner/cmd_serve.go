package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/report"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// defaultPort of runner serve: fixed, so that a tunnel can name it.
const defaultPort = 8731

func newServeCommand() *cobra.Command {
	port := defaultPort
	cmd := &cobra.Command{
		Use:   "serve OUT",
		Short: "Show the page of an audit's results, and keep what is marked on it in a file",
		Long: `Show report.html of a folder of results in a browser, on this machine's loopback address alone. What is marked on it is
kept in verdicts.json beside it, which the next audit takes (--verdicts). The address holds a secret: whoever has it may mark.

From another machine, over SSH:

  ssh -L 8731:127.0.0.1:8731 HOST runner serve out`,
		Example: `  runner serve out`,
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := newServer(args[0])
			if err != nil {
				return err
			}
			listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				return usage(fmt.Errorf("--port: %w: another one may be free, or 0 for any", err))
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "http://%s%s\nMarks are kept in %s. Ctrl-C ends it.\n",
				listener.Addr(), s.path, text.Name(s.verdicts())); err != nil {
				return printed(err)
			}
			return s.serve(cmd.Context(), listener)
		},
	}
	cmd.Flags().IntVar(&port, "port", port, "port on 127.0.0.1; 0 for any that is free")
	return cmd
}

// A server shows the page in a folder.
type server struct {
	folder string
	// path begins every address, and is not to be guessed.
	path string
}

func newServer(folder string) (*server, error) {
	if _, err := os.Stat(filepath.Join(folder, v1alpha1.FileReport)); err != nil {
		return nil, usage(fmt.Errorf("%s holds no %s: is it the --out of an audit? %w", folder, v1alpha1.FileReport, err))
	}
	return &server{folder, "/" + rand.Text() + "/"}, nil
}

func (s *server) verdicts() string { return filepath.Join(s.folder, v1alpha1.DefaultVerdictsKey) }

// serve answers until ctx ends, which is no error: somebody pressed Ctrl-C.
func (s *server) serve(ctx context.Context, listener net.Listener) error {
	web := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = web.Close() })
	defer stop()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return v1alpha1.NewRunError(v1alpha1.ExitInternal, fmt.Errorf("serve: %w", err))
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	if len(r.URL.Path) < len(s.path) || subtle.ConstantTimeCompare([]byte(r.URL.Path[:len(s.path)]), []byte(s.path)) != 1 {
		http.Error(w, "Use the whole address that runner serve printed.", http.StatusForbidden)
		return
	}
	if err := s.answer(w, r, strings.TrimPrefix(r.URL.Path, s.path)); err != nil {
		http.Error(w, text.Visible(err.Error()), http.StatusBadRequest)
	}
}

// answer answers who knows the address.
func (s *server) answer(w http.ResponseWriter, r *http.Request, name string) error {
	switch {
	case name == "" && r.Method == http.MethodGet:
		return s.page(w)
	case name == v1alpha1.DefaultVerdictsKey && r.Method == http.MethodGet:
		return s.read(w)
	case name == v1alpha1.DefaultVerdictsKey && r.Method == http.MethodPut:
		return s.keep(r.Context(), http.MaxBytesReader(w, r.Body, v1alpha1.MaxReviewBytes))
	}
	http.NotFound(w, r)
	return nil
}

func (s *server) page(w http.ResponseWriter) error {
	page, err := os.Open(filepath.Join(s.folder, v1alpha1.FileReport))
	if err != nil {
		return err
	}
	defer func() { _ = page.Close() }() // was only read
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	return report.Connected(w, page, s.path+v1alpha1.DefaultVerdictsKey)
}

// read answers with the marks, or with nothing where there are none yet.
func (s *server) read(w http.ResponseWriter) error {
	marks, err := os.Open(s.verdicts())
	if errors.Is(err, os.ErrNotExist) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = marks.Close() }() // was only read
	w.Header().Set("Content-Type", "application/json")
	_, err = io.Copy(w, marks)
	return err
}

// keep writes the marks, whole or not at all.
func (s *server) keep(ctx context.Context, body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if _, err := v1alpha1.ParseReview(data); err != nil {
		return err
	}
	folder, err := storage.Open(ctx, s.folder)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // what was written is durable already
	return folder.Write(ctx, v1alpha1.DefaultVerdictsKey, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
