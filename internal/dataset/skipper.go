package dataset

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// position counts what is read, and seeks where the reader below can.
type position struct {
	r  io.Reader
	at int64
}

func (p *position) reader() io.Reader {
	if _, ok := p.r.(io.Seeker); ok {
		return &seekable{p}
	}
	return p
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.at += int64(n)
	return n, err
}

type seekable struct{ *position }

func (s *seekable) Seek(offset int64, whence int) (int64, error) {
	at, err := s.r.(io.Seeker).Seek(offset, whence)
	if err == nil {
		s.at = at
	}
	return at, err
}

// skipper reads an object and can jump ahead in it: by reading what lies between while that is little, else by a new
// request.
type skipper struct {
	ctx    context.Context
	object storage.Pinned
	size   int64
	body   io.ReadCloser
	in     *bufio.Reader
	at     int64 // where the next byte is read
	have   int64 // where in stands
}

// maxSkip is how many bytes are read rather than asked around: at a gigabit, what a request takes to be answered.
const maxSkip = 1 << 20

func (s *skipper) Read(p []byte) (int, error) {
	if err := s.align(); err != nil {
		return 0, err
	}
	n, err := s.in.Read(p)
	s.at += int64(n)
	s.have = s.at
	return n, err
}

func (s *skipper) align() error {
	if gap := s.at - s.have; s.body != nil && gap >= 0 && gap <= maxSkip {
		n, err := s.in.Discard(int(gap))
		s.have += int64(n)
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	body, err := s.object.OpenRange(s.ctx, s.at, -1)
	if err != nil {
		return err
	}
	s.body, s.have = body, s.at
	if s.in == nil {
		s.in = bufio.NewReaderSize(nil, 1<<16)
	}
	s.in.Reset(body)
	return nil
}

// Seek only moves: the next Read pays for it.
func (s *skipper) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.at
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning")
	}
	s.at = min(offset, s.size)
	if s.at < offset {
		return s.at, io.ErrUnexpectedEOF
	}
	return s.at, nil
}

func (s *skipper) Close() error {
	if s.body == nil {
		return nil
	}
	body := s.body
	s.body = nil
	return body.Close()
}
