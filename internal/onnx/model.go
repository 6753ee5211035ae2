// Package onnx reads an ONNX model, lists its layers and cuts it at some of them, with the pooling appended to the
// graph, by editing the protobuf. It runs nothing and infers no shapes: ONNX Runtime does, when a session is made of
// what Expose returns.
//
//	model, err := onnx.Open("mobilenet.onnx")
//	layer, err := model.Resolve("conv_pw_13")           // a node's name or a tensor's
//	raw, err := model.Expose(layer.Name)                // a session of it tells the layer's shape
//	cut, err := model.Cut([]onnx.Request{{Layer: "conv_pw_13"}}, shapes)
//
// A session of a Cut maps a batch of N images to one N×D float32 matrix for each request.
package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/datasetaudit/dataset-audit/internal/onnx/ir"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// ElementType is the type of a tensor's elements, numbered as ONNX and ONNX Runtime number them.
type ElementType = ir.ElementType

// The element types of images that go into a model; the numbers of the others are in package ir.
const (
	Float32 = ir.Float32
	Float16 = ir.Float16
	Uint8   = ir.Uint8
)

// Shape is what is known of a tensor: its dimensions, −1 for a free one, and its elements' type. No dimensions: the
// rank isn't known.
type Shape struct {
	Dims []int64
	Type ElementType
}

// Shapes holds the shapes of tensors by their names.
type Shapes map[string]Shape

// String returns e.g. N×1024×7×7, with N for a free first dimension and ? for further ones.
func (s Shape) String() string {
	if len(s.Dims) == 0 {
		return "unknown shape"
	}
	dims := make([]string, len(s.Dims))
	for i, d := range s.Dims {
		switch {
		case d >= 0:
			dims[i] = fmt.Sprint(d)
		case i == 0:
			dims[i] = "N"
		default:
			dims[i] = "?"
		}
	}
	return strings.Join(dims, "×")
}

// InvalidError says that a file is no ONNX model, or a damaged one. Trying again won't help.
type InvalidError struct {
	Path   string
	Offset int64 // where in the file, −1: nowhere in particular
	Reason string
	Err    error // what made it so, if that was an error
}

func (e *InvalidError) Unwrap() error { return e.Err }

func (e *InvalidError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("model %s is not a valid ONNX model: %s", e.Path, e.Reason)
	}
	return fmt.Sprintf("model %s is not a valid ONNX model: at byte %d: %s", e.Path, e.Offset, e.Reason)
}

func invalid(offset int64, format string, args ...any) error {
	return &InvalidError{Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// UnsupportedError says that a valid model can't be audited: its inputs, say, are not those of an image model.
type UnsupportedError struct {
	Path   string
	Reason string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("model %s is not supported: %s", e.Path, e.Reason)
}

// Model is an ONNX model in memory. It is not changed by its methods, which may be called concurrently.
type Model struct {
	path string
	sum  [sha256.Size]byte

	header    [][]byte // ModelProto's fields but for graph and functions
	opset     int64    // version of the default domain, 0: not imported
	graph     graph
	functions []function
	reserved  map[string]bool

	producers    map[string]int   // tensor → node that writes it
	consumers    map[string][]int // tensor → nodes that read it, each once
	named        map[string][]int // node name → nodes
	initializers map[string]bool
	values       map[string]*value // what the file says of tensors
	live         []bool            // nodes that depend on a real input
}

// Open reads the model in the file path. A file that is no ONNX model, or a damaged one, is an *InvalidError.
func Open(path string) (*Model, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, data)
}

// read returns the content of a file of at most 2 GiB, the size that protobuf allows.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, &InvalidError{Path: path, Offset: -1, Reason: "not a regular file"}
	case info.Size() > math.MaxInt32:
		return nil, &InvalidError{Path: path, Offset: -1, Reason: fmt.Sprintf("%d bytes, and protobuf allows 2 GiB: export it with external data", info.Size())}
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("model %s: %w", path, err)
	}
	return data, nil
}

// parse takes the model in data apart, which it keeps.
func parse(path string, data []byte) (*Model, error) {
	m := &Model{path: path, sum: sha256.Sum256(data)}
	err := m.decode(data)
	if err == nil {
		err = m.index()
	}
	if err == nil {
		return m, nil
	}
	var bad *InvalidError
	if !errors.As(err, &bad) {
		return nil, err
	}
	bad.Path = path
	switch {
	case len(data) == 0:
		bad.Offset, bad.Reason = -1, "the file is empty"
	case strings.HasPrefix(string(data[:min(len(data), 64)]), "version https://git-lfs"):
		bad.Offset, bad.Reason = -1, "a Git LFS pointer: fetch the file itself with git lfs pull"
	case isText(data):
		bad.Offset, bad.Reason = -1, "a text file"
	}
	return nil, bad
}

// isText reports whether data begin with nothing but printable characters.
func isText(data []byte) bool {
	for i := 0; i < min(len(data), 512); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		i += n
	}
	return true
}

func (m *Model) decode(data []byte) error {
	m.reserved = map[string]bool{}
	d := &decoder{reserved: m.reserved}
	var version uint64
	found, imports := false, false
	err := d.each("model", span{bytes: data}, func(f field) error {
		switch f.number {
		case ir.ModelGraph:
			found = true
			return d.graph(f.span, &m.graph)
		case ir.ModelFunction:
			fn, err := d.function(f)
			m.functions = append(m.functions, fn)
			return err
		case ir.ModelTraining: // not for inference, and it may name what a cut removes
			return nil
		case ir.ModelIRVersion:
			version = f.varint
		case ir.ModelOpsetImport:
			imports = true
			if err := m.opsetImport(d, f.span); err != nil {
				return err
			}
		}
		m.header = append(m.header, f.raw)
		return d.count(f.offset)
	})
	switch {
	case err != nil:
		return err
	case !found:
		return invalid(-1, "it holds no graph")
	case version == 0:
		return invalid(-1, "it has no ir_version")
	case len(m.graph.nodes) == 0:
		return invalid(-1, "its graph has no nodes")
	case !imports && version >= 3:
		return invalid(-1, "it names no operator set (opset_import): truncated?")
	}
	if !imports {
		m.opset = 1 // as the first IR versions imply
	}
	return nil
}

// opsetImport reads an OperatorSetIdProto.
func (m *Model) opsetImport(d *decoder, s span) error {
	domain, version := "", int64(0)
	err := d.each("opset_import", s, func(f field) error {
		switch f.number {
		case ir.OpsetDomain:
			domain = string(f.bytes)
		case ir.OpsetVersion:
			version = int64(f.varint)
		}
		return nil
	})
	if domain == "" || domain == "ai.onnx" {
		m.opset = version
	}
	return err
}

// index makes the maps by which the graph is walked.
func (m *Model) index() error {
	g := &m.graph
	m.producers = make(map[string]int, len(g.nodes))
	m.consumers = make(map[string][]int, len(g.nodes))
	m.named = make(map[string][]int)
	m.initializers = make(map[string]bool, len(g.initializers))
	m.values = make(map[string]*value, len(g.values))
	for _, r := range g.initializers {
		m.initializers[r.name] = true
	}
	for _, values := range [][]value{g.values, g.inputs, g.outputs} {
		for i := range values {
			m.values[values[i].name] = &values[i]
		}
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.name != "" {
			m.named[n.name] = append(m.named[n.name], i)
		}
		for _, name := range n.outputs {
			if name == "" {
				continue
			}
			if _, twice := m.producers[name]; twice {
				return invalid(-1, "two nodes write the tensor %q", name)
			}
			m.producers[name] = i
		}
		for _, names := range [][]string{n.inputs, n.captures} {
			for _, name := range names {
				readers := m.consumers[name]
				if name != "" && (len(readers) == 0 || readers[len(readers)-1] != i) {
					m.consumers[name] = append(readers, i)
				}
			}
		}
	}
	m.live = make([]bool, len(g.nodes))
	var reached []string
	for _, v := range g.inputs {
		if !m.initializers[v.name] {
			reached = append(reached, v.name)
		}
	}
	for len(reached) > 0 {
		name := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		for _, i := range m.consumers[name] {
			if !m.live[i] {
				m.live[i] = true
				reached = append(reached, g.nodes[i].outputs...)
			}
		}
	}
	return m.checkLocations()
}

// SHA256 returns the SHA-256 of the model's file, as sha256sum prints it. Data in other files don't enter it: see
// Digest.
func (m *Model) SHA256() string {
	return hex.EncodeToString(m.sum[:])
}

// Producer is the program that wrote the model, as it calls itself; empty if it doesn't.
func (m *Model) Producer() string {
	for _, raw := range m.header {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 || number != ir.ModelProducer || kind != protowire.BytesType {
			continue
		}
		if name, k := protowire.ConsumeBytes(raw[n:]); k >= 0 {
			return text.Valid(string(name))
		}
	}
	return ""
}
