package sandboxed

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// edited returns a file in which the bytes after a name, at an offset, are others.
func edited(t testing.TB, data []byte, after string, offset int, with ...byte) []byte {
	t.Helper()
	at := bytes.Index(data, []byte(after))
	if at < 0 {
		t.Fatalf("no %q", after)
	}
	data = bytes.Clone(data)
	copy(data[at+len(after)+offset:], with)
	return data
}

func newBox(kind string, data []byte) []byte {
	size := binary.BigEndian.AppendUint32(nil, uint32(8+len(data)))
	return append(append(size, kind...), data...)
}

func newLongBox(kind string, data []byte) []byte {
	b := append([]byte{0, 0, 0, 1}, kind...)
	return append(binary.BigEndian.AppendUint64(b, uint64(16+len(data))), data...)
}

func TestContainers(t *testing.T) {
	file := readFile(t, "testdata/avif-8.avif")
	want, err := AVIF(file)
	if err != nil {
		t.Fatal(err)
	}
	lastToEnd := edited(t, file, "mdat", -8, 0, 0, 0, 0)
	for name, data := range map[string][]byte{
		"the last box to the end": lastToEnd,
		"more boxes":              append(append(bytes.Clone(file), newBox("free", nil)...), newLongBox("abcd", []byte{1})...),
		"a few more bytes":        append(bytes.Clone(file), "\r\n"...),
		"another major brand":     edited(t, file, "ftyp", 0, []byte("mif1")...),
		"a sequence's brand":      edited(t, file, "ftyp", 0, []byte("avis")...),
	} {
		got, err := AVIF(data)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrors(t *testing.T) {
	file := readFile(t, "testdata/avif-8.avif")
	alpha := readFile(t, "testdata/avif-alpha.avif")
	clap := readFile(t, "testdata/avif-clap.avif")
	grid := readFile(t, "testdata/avif-grid.avif")
	ftyp, rest, err := nextBox(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		file        []byte
		text        string
		unsupported bool
	}{
		"empty":                 {nil, "truncated", false},
		"other file":            {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), "truncated", false},
		"no type":               {rest, "does not begin with its type", false},
		"no meta":               {newBox("ftyp", ftyp.data), "no primary item 0", false},
		"a video":               {append(newBox("ftyp", ftyp.data), newBox("moov", nil)...), "a video without a still picture", true},
		"small box":             {edited(t, file, "pitm", -8, 0, 0, 0, 7), `a box "pitm" of 7 bytes`, false},
		"large box":             {edited(t, file, "pitm", -8, 0, 0, 255, 0), "truncated", false},
		"long box":              {append(bytes.Clone(file), 0, 0, 0, 1, 'a', 'b', 'c', 'd', 255, 255, 255, 255, 255, 255, 255, 255), "truncated", false},
		"long box of 0":         {append(bytes.Clone(file), 0, 0, 0, 1, 'a', 'b', 'c', 'd', 0, 0, 0, 0, 0, 0, 0, 0), `a box "abcd" of 0 bytes`, false},
		"other item":            {edited(t, file, "pitm", 4, 0, 9), "no primary item 9", false},
		"HEVC":                  {edited(t, file, "infe", 8, []byte("hvc1")...), `of type "hvc1"`, true},
		"no size":               {edited(t, file, "ispe", -4, []byte("abcd")...), "without a size", false},
		"no pixels":             {edited(t, file, "ispe", 4, 0, 0, 0, 0), "0×24 pixels", false},
		"too many":              {edited(t, file, "ispe", 4, 0, 1, 0, 1), "65537×24 pixels", false},
		"other size":            {edited(t, file, "ispe", 4, 0, 0, 0, 39), "40×24 pixels in an item of 39×24", false},
		"other size of alpha":   {edited(t, alpha, "ispe", 4, 0, 0, 0, 41), "40×24 pixels in an item of 41×24", false},
		"other size of a tile":  {edited(t, grid, "ispe\x00\x00\x00\x00\x00\x00\x00@", -4, 0, 0, 255, 255), "64×64 pixels in an item of 65535×64", false},
		"clap without size":     {edited(t, clap, "clap", 0, 0, 0, 0, 0), "clap: a size of 0/1", false},
		"clap outside":          {edited(t, clap, "clap", 16, 0, 0, 1), "clap: 20 pixels at ", false},
		"clap of part":          {edited(t, clap, "clap", 4, 0, 0, 0, 3), "clap: unsupported", true},
		"external":              {edited(t, file, "iloc", 10, 0, 1), "not in the file itself", true},
		"extent beyond the end": {edited(t, file, "iloc", 14, 0, 1, 0, 0), "truncated", false},
		"no such iloc":          {edited(t, file, "iloc", 0, 9), "version 9", true},
		"short iloc":            {edited(t, file, "iloc", 6, 255, 255), "iloc: the box is too short", false},
		"wide iloc":             {edited(t, file, "iloc", 4, 0xf4), "more than 8 bytes", false},
		"no such property":      {edited(t, file, "ipma", 11, 127), "property 127 of", false},
	} {
		_, err := AVIF(tc.file)
		if err == nil || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: got %v, want %q", name, err, tc.text)
		} else if isUnsupported(err) != tc.unsupported {
			t.Errorf("%s: %v: unsupported is %v", name, err, !tc.unsupported)
		}
	}
}

// item is a container's that holds a content in idat.
func containerOf(content []byte, extents ...extent) (*container, *item) {
	it := &item{method: inIdat, extents: extents}
	return &container{idat: content}, it
}

func TestExtents(t *testing.T) {
	content := []byte("0123456789")
	for _, tc := range []struct {
		extents []extent
		want    string
		ok      bool
	}{
		{nil, "", true},
		{[]extent{{2, 3}}, "234", true},
		{[]extent{{2, 0}}, "23456789", true},
		{[]extent{{5, 5}, {0, 5}}, "5678901234", true},
		{[]extent{{10, 0}}, "", true},
		{[]extent{{11, 0}}, "", false},
		{[]extent{{5, 6}}, "", false},
		{[]extent{{5, 1<<64 - 1}}, "", false},
		{[]extent{{0, 9}, {0, 9}}, "", false},
	} {
		c, it := containerOf(content, tc.extents...)
		got, err := c.content(it)
		if (err == nil) != tc.ok || err == nil && string(got) != tc.want {
			t.Errorf("%v: got %q, %v, want %q", tc.extents, got, err, tc.want)
		}
	}
}

// The transforms of a picture whose pixels are letters, row by row.
func TestView(t *testing.T) {
	property := func(kind string, data ...byte) box { return box{kind, data} }
	aperture := func(v ...uint32) box {
		b := box{kind: "clap"}
		for _, n := range v {
			b.data = binary.BigEndian.AppendUint32(b.data, n)
		}
		return b
	}
	for _, tc := range []struct {
		properties []box
		want       string
	}{
		{nil, "abc/def"},
		{[]box{property("irot", 0)}, "abc/def"},
		{[]box{property("irot", 1)}, "cf/be/ad"},
		{[]box{property("irot", 2)}, "fed/cba"},
		{[]box{property("irot", 3)}, "da/eb/fc"},
		{[]box{property("imir", 0)}, "def/abc"},
		{[]box{property("imir", 1)}, "cba/fed"},
		{[]box{property("irot", 1), property("imir", 0)}, "ad/be/cf"},
		{[]box{property("irot", 1), property("imir", 1)}, "fc/eb/da"},
		{[]box{property("imir", 1), property("irot", 1)}, "ad/be/cf"},
		{[]box{aperture(3, 1, 2, 1, 0, 1, 0, 1)}, "abc/def"},
		{[]box{aperture(2, 1, 2, 1, 1, 2, 0, 1)}, "bc/ef"},
		{[]box{aperture(4, 2, 2, 1, 1<<32-1, 2, 0, 1)}, "ab/de"},
		{[]box{aperture(1, 1, 1, 1, 0, 1, 1, 2)}, "e"},
		{[]box{aperture(2, 1, 2, 1, 1, 2, 0, 1), property("irot", 1)}, "cf/be"},
		{[]box{property("irot", 1), aperture(2, 1, 1, 1, 0, 1, 1, 1)}, "ad"},
	} {
		size := image.Pt(3, 2)
		v, err := (&item{properties: tc.properties}).view(size)
		if err != nil {
			t.Errorf("%v: %v", tc.properties, err)
			continue
		}
		checkView(t, v, size)
		var rows []string
		pix := v.of([]byte("abcdef"), size, 1)
		for y := range v.height {
			rows = append(rows, string(pix[y*v.width:][:v.width]))
		}
		if got := strings.Join(rows, "/"); got != tc.want {
			t.Errorf("%v: got %s, want %s", tc.properties, got, tc.want)
		}
	}
}

// bitsOf makes bytes of groups of a value and how many bits it has, the highest first.
func bitsOf(groups ...[2]int) []byte {
	text := ""
	for _, g := range groups {
		text += fmt.Sprintf("%0*b", g[1], g[0])
	}
	text += strings.Repeat("0", 7-(len(text)+7)%8)
	var b []byte
	for i := 0; i < len(text); i += 8 {
		var v byte
		if _, err := fmt.Sscanf(text[i:i+8], "%b", &v); err != nil {
			panic(err) // a mistake in this test
		}
		b = append(b, v)
	}
	return b
}

func TestSequenceHeader(t *testing.T) {
	size := [][2]int{{9, 4}, {8, 4}, {640 - 1, 10}, {427 - 1, 9}, {0, 20}}
	header := func(groups ...[2]int) []byte { return bitsOf(append(groups, size...)...) }
	for name, payload := range map[string][]byte{
		"reduced":       header([2]int{0b000_1_1, 5}, [2]int{8, 5}),
		"plain":         header([2]int{0b000_1_0, 5}, [2]int{0b0_0, 2}, [2]int{0, 5}, [2]int{0, 12}, [2]int{8, 5}, [2]int{1, 1}),
		"two points":    header([2]int{0, 5}, [2]int{0b0_1, 2}, [2]int{1, 5}, [2]int{1, 12}, [2]int{3, 5}, [2]int{1, 1}, [2]int{9, 4}, [2]int{0, 12}, [2]int{7, 5}, [2]int{0, 1}),
		"timing":        header([2]int{0, 5}, [2]int{1, 1}, [2]int{1, 32}, [2]int{1, 32}, [2]int{1, 1}, [2]int{0b001_01, 5}, [2]int{0, 1}, [2]int{0, 1}, [2]int{0, 5}, [2]int{0, 12}, [2]int{3, 5}),
		"decoder model": header([2]int{0, 5}, [2]int{1, 1}, [2]int{1, 32}, [2]int{1, 32}, [2]int{0, 1}, [2]int{1, 1}, [2]int{3, 5}, [2]int{7, 32}, [2]int{1, 5}, [2]int{1, 5}, [2]int{0, 1}, [2]int{0, 5}, [2]int{0, 12}, [2]int{3, 5}, [2]int{1, 1}, [2]int{9, 4}, [2]int{9, 4}, [2]int{1, 1}),
	} {
		got, err := sequenceSize(payload)
		if want := image.Pt(640, 427); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
		if _, err := sequenceSize(payload[:2]); err == nil {
			t.Errorf("%s: two bytes are enough", name)
		}
	}
}

func TestUnits(t *testing.T) {
	sequence := bitsOf([2]int{0b000_1_1, 5}, [2]int{8, 5}, [2]int{5, 4}, [2]int{5, 4}, [2]int{39, 6}, [2]int{23, 6})
	unit := func(kind byte, payload []byte) []byte {
		return append([]byte{kind<<3 | 2, byte(len(payload)) | 128, 0}, payload...)
	}
	good := append(unit(1, sequence), unit(6, []byte{1, 2, 3})...)
	extended := append([]byte{1<<3 | 4 | 2, 0, byte(len(sequence))}, sequence...)
	for name, tc := range map[string]struct {
		data []byte
		ok   bool
	}{
		"good":            {good, true},
		"extended":        {append(extended, 6<<3, 1, 2, 3), true},
		"empty":           {nil, false},
		"no frame":        {unit(1, sequence), false},
		"no sequence":     {unit(6, sequence), false},
		"truncated":       {good[:len(good)-1], false},
		"no end of size":  {append(bytes.Clone(good), 6<<3|2, 255, 255), false},
		"long size":       {append(bytes.Clone(good), 6<<3|2, 128, 128, 128, 128, 128, 128, 128, 128, 0), false},
		"no extension":    {append(bytes.Clone(good), 6<<3|4), false},
		"second sequence": {append(bytes.Clone(good), unit(1, bitsOf([2]int{0b000_1_1, 5}, [2]int{8, 5}, [2]int{5, 4}, [2]int{5, 4}, [2]int{40, 6}, [2]int{23, 6}))...), false},
	} {
		if err := checkSequence(tc.data, image.Pt(40, 24)); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is stored is bounded by what is shown, of which the caller knows.
func TestStored(t *testing.T) {
	const side = 2000
	sequence := bitsOf([2]int{0b000_1_1, 5}, [2]int{8, 5}, [2]int{15, 4}, [2]int{15, 4}, [2]int{side - 1, 16}, [2]int{side - 1, 16})
	bitstream := slices.Concat([]byte{1<<3 | 2, byte(len(sequence))}, sequence, []byte{6 << 3, 1, 2, 3})
	size := box{"ispe", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4), side), side)}
	tile := &item{kind: "av01", method: inIdat, extents: []extent{{}}, properties: []box{size}}
	for shown, ok := range map[int]bool{side: true, side / 2: true, side/2 - 1: false, 1: false} {
		c := &container{idat: bitstream, primary: 1, items: map[uint32]*item{1: {tiles: []uint32{2, 2, 3}}, 2: tile}}
		p := &picture{container: c, size: image.Pt(side, side), shown: wholeView(image.Pt(shown, shown))}
		if err := p.checkBitstreams(); (err == nil) != ok || err != nil && !isUnsupported(err) {
			t.Errorf("%d×%d pixels shown: %v", shown, shown, err)
		}
	}
}

// Tiles may share their bytes, as many do in a plain picture, but reading them may not take endlessly long.
func TestSharedBytes(t *testing.T) {
	sequence := bitsOf([2]int{0b000_1_1, 5}, [2]int{8, 5}, [2]int{15, 4}, [2]int{15, 4}, [2]int{0, 16}, [2]int{0, 16})
	for tiles, ok := range map[int]bool{16: true, 17: false} {
		bitstream := slices.Concat([]byte{1<<3 | 2, byte(len(sequence))}, sequence, []byte{6 << 3}, make([]byte, 1<<17))
		size := box{"ispe", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(make([]byte, 4), 1), 1)}
		tile := &item{kind: "av01", method: inIdat, extents: []extent{{}}, properties: []box{size}}
		grid := &item{}
		c := &container{file: bitstream, idat: bitstream, primary: 1, items: map[uint32]*item{1: grid}}
		for id := uint32(2); len(grid.tiles) < tiles; id++ {
			grid.tiles = append(grid.tiles, id)
			c.items[id] = tile
		}
		p := &picture{container: c, size: image.Pt(1, 1), shown: wholeView(image.Pt(tiles, 1))}
		if err := p.checkBitstreams(); (err == nil) != ok {
			t.Errorf("%d tiles: %v", tiles, err)
		}
	}
}
