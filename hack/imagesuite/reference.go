package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A reference is a program that decodes files: it reads their paths, one a line, and answers each with either
//
//	ok WIDTH HEIGHT NOTE     and then WIDTH × HEIGHT × 3 bytes of RGB
//	bad REASON
//
// The note says which decoder it was that read the file.
type reference struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// A picture is what the reference answers; without pixels, the note is why.
type picture struct {
	width, height int
	pix           []byte // RGB; nil if the file is bad
	note          string
}

func startReference(ctx context.Context, command []string) (*reference, error) {
	if len(command) == 0 {
		return nil, errors.New("-reference names no command")
	}
	r := &reference{command: exec.CommandContext(ctx, command[0], command[1:]...)}
	r.command.Stderr = os.Stderr
	in, err := r.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := r.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the reference: %w", err)
	}
	r.in, r.out = in, bufio.NewReaderSize(out, 1<<20)
	return r, nil
}

func (r *reference) stop() {
	_ = r.in.Close()
	_ = r.command.Wait() // whatever it ends with, its answers are read
}

// ask has the reference begin with a file.
func (r *reference) ask(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if strings.Contains(path, "\n") {
		return errors.New("the reference can't be asked for a path with a line break")
	}
	if _, err := io.WriteString(r.in, path+"\n"); err != nil {
		return fmt.Errorf("the reference ended: %w", err)
	}
	return nil
}

// answer returns what the reference says of the file that it was asked for.
func (r *reference) answer() (picture, error) { return readAnswer(r.out) }

func readAnswer(in *bufio.Reader) (picture, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return picture{}, fmt.Errorf("the reference gave no answer: %w", err)
	}
	line = strings.TrimSuffix(line, "\n")
	if reason, ok := strings.CutPrefix(line, "bad "); ok {
		return picture{note: reason}, nil
	}
	var p picture
	if _, err := fmt.Sscanf(line, "ok %d %d", &p.width, &p.height); err != nil {
		return picture{}, fmt.Errorf("the reference answers %.100q", line)
	}
	if p.width <= 0 || p.height <= 0 || p.width > maxPixels/p.height {
		return picture{}, fmt.Errorf("the reference answers with %d×%d pixels", p.width, p.height)
	}
	if fields := strings.SplitN(line, " ", 4); len(fields) == 4 {
		p.note = fields[3]
	}
	p.pix = make([]byte, 3*p.width*p.height)
	if _, err := io.ReadFull(in, p.pix); err != nil {
		return picture{}, fmt.Errorf("the reference's pixels: %w", err)
	}
	return p, nil
}
