package publish

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sort"
)

// clusterList is a list of clusters, one a line, as it goes into a ConfigMap.
type clusterList struct {
	compressed []byte
	clusters   int // found
	listed     int // of these
}

// layerLines are the lines of one layer, tightest first; not those at the end that can't fit anyway.
type layerLines struct {
	lines    [][]byte
	clusters int
}

// tightest compresses the lines of clusters.jsonl into at most limit bytes: the first k of every layer, with the
// largest k that fits, so that no layer is crowded out by another.
func tightest(r io.Reader, limit int) (clusterList, error) {
	layers, err := readLayers(r, limit)
	if err != nil {
		return clusterList{}, err
	}
	most := 0
	for _, l := range layers {
		most = max(most, len(l.lines))
	}
	k := sort.Search(most, func(k int) bool { return compress(layers, k+1, limit) == nil })
	list := clusterList{compressed: compress(layers, k, limit)}
	for _, l := range layers {
		list.clusters += l.clusters
		list.listed += min(k, len(l.lines))
	}
	return list, nil
}

// readLayers reads the lines that may fit. Of a long list that is only the beginning: memory doesn't grow with the
// dataset.
func readLayers(r io.Reader, limit int) ([]layerLines, error) {
	var (
		layers []layerLines
		last   []byte
		probe  = gzip.NewWriter(nil)
	)
	for in := bufio.NewReaderSize(r, 1<<16); ; {
		line, err := in.ReadBytes('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return layers, nil
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		// What comes before the field cluster is the layer. Inside of a JSON string the quotes would be escaped.
		name, _, _ := bytes.Cut(line, []byte(`,"cluster":`))
		if len(layers) == 0 || !bytes.Equal(name, last) {
			layers = append(layers, layerLines{})
			last = name
			probe.Reset(&bounded{limit: 2 * limit}) // well beyond what sharing a dictionary with the layer before could save
		}
		l := &layers[len(layers)-1]
		l.clusters++
		if _, err := probe.Write(line); err == nil {
			l.lines = append(l.lines, line)
		}
	}
}

// compress compresses the first k lines of every layer; the result is nil if it exceeds the limit. The same lines give
// the same bytes: the header has no time.
func compress(layers []layerLines, k, limit int) []byte {
	out := &bounded{limit: limit}
	z := gzip.NewWriter(out)
	for _, l := range layers {
		for _, line := range l.lines[:min(k, len(l.lines))] {
			if _, err := z.Write(line); err != nil {
				return nil
			}
		}
	}
	if err := z.Close(); err != nil {
		return nil
	}
	return out.data
}

// bounded is a buffer that refuses what exceeds its limit.
type bounded struct {
	data  []byte
	limit int
}

var errFull = errors.New("the limit is reached")

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.limit {
		return 0, errFull
	}
	b.data = append(b.data, p...)
	return len(p), nil
}
