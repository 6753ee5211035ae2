package layouts

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

func labelOf(s Sample) int64 {
	n, err := strconv.ParseInt(s.Label, 10, 64)
	if err != nil {
		panic(err) // Generate's labels are digits
	}
	return n
}

// tfRecords writes two files a split, of messages tf.Example.
func tfRecords(dir, ending string, samples []Sample) error {
	return eachSplit(samples, func(split string, samples []Sample) error {
		half := len(samples) / 2
		for i, part := range [][]Sample{samples[:half], samples[half:]} {
			path := filepath.Join(dir, fmt.Sprintf("waves-%s.tfrecord-%05d-of-00002%s", split, i, ending))
			err := compressing(path, func(w io.Writer) error {
				for _, s := range part {
					if _, err := w.Write(framed(example(s))); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func example(s Sample) []byte {
	integer := func(n int64) []byte { return field(3, field(1, protowire.AppendVarint(nil, uint64(n)))) }
	var features []byte
	add := func(name string, feature []byte) {
		features = append(features, field(1, append(field(1, []byte(name)), field(2, feature)...))...)
	}
	add("image/height", integer(Side))
	add("image/encoded", field(1, field(1, s.PNG)))
	add("image/class/label", integer(labelOf(s)))
	add("score", field(2, field(1, protowire.AppendFixed32(nil, floatBits(float32(s.Score))))))
	return field(1, features)
}

// framed puts a record into TFRecord's frame.
func framed(record []byte) []byte {
	masked := func(b []byte) uint32 {
		sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		return (sum>>15 | sum<<17) + 0xa282ead8
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(record)))
	out = binary.LittleEndian.AppendUint32(out, masked(out))
	out = append(out, record...)
	return binary.LittleEndian.AppendUint32(out, masked(record))
}

// cifarFiles calls write for each of CIFAR-10's files.
func cifarFiles(samples []Sample, write func(name string, samples []Sample) error) error {
	return eachSplit(samples, func(split string, samples []Sample) error {
		if split == "test" {
			return write("test_batch", samples)
		}
		for batch := 1; batch <= 5 && len(samples) > 0; batch++ {
			n := len(samples) / (6 - batch)
			if err := write(fmt.Sprintf("data_batch_%d", batch), samples[:n]); err != nil {
				return err
			}
			samples = samples[n:]
		}
		return nil
	})
}

func cifarBinary(dir string, samples []Sample) error {
	return cifarFiles(samples, func(name string, samples []Sample) error {
		var out []byte
		for _, s := range samples {
			out = append(out, byte(labelOf(s)))
			out = append(out, bytes.Repeat(s.Gray, 3)...)
		}
		return os.WriteFile(filepath.Join(dir, name+".bin"), out, 0o644)
	})
}

// cifarPickle writes what Python 2's cPickle writes, protocol 2, of {'data': array N×3072, 'labels': list}.
// TestPythonTools holds it against Python's own.
func cifarPickle(dir string, samples []Sample) error {
	return cifarFiles(samples, func(name string, samples []Sample) error {
		var out bytes.Buffer
		number := func(n int) {
			out.WriteByte('J')
			_ = binary.Write(&out, binary.LittleEndian, int32(n)) // into memory
		}
		text := func(s string) {
			if len(s) < 256 {
				out.WriteByte('U')
				out.WriteByte(byte(len(s)))
			} else {
				out.WriteByte('T')
				_ = binary.Write(&out, binary.LittleEndian, int32(len(s))) // into memory
			}
			out.WriteString(s)
		}
		var pixels []byte
		for _, s := range samples {
			pixels = append(pixels, bytes.Repeat(s.Gray, 3)...)
		}
		out.WriteString("\x80\x02}q\x01(")
		text("data")
		out.WriteString("cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04")
		text("b")
		out.WriteString("\x87q\x05Rq\x06(K\x01")
		number(len(samples))
		number(3 * Side * Side)
		out.WriteString("\x86q\x07cnumpy\ndtype\nq\x08")
		text("u1")
		out.WriteString("K\x00K\x01\x87q\x09Rq\x0a(K\x03")
		text("|")
		out.WriteString("NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0bb\x89")
		text(string(pixels))
		out.WriteString("tq\x0cb")
		text("labels")
		out.WriteString("]q\x0d(")
		for _, s := range samples {
			out.WriteByte('K')
			out.WriteByte(byte(labelOf(s)))
		}
		out.WriteString("eu.")
		return os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644)
	})
}

func idx(dir, ending string, samples []Sample) error {
	return eachSplit(samples, func(split string, samples []Sample) error {
		if split == "test" {
			split = "t10k"
		}
		images := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 3}, uint32(len(samples)))
		images = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(images, Side), Side)
		labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(len(samples)))
		for _, s := range samples {
			images, labels = append(images, s.Gray...), append(labels, byte(labelOf(s)))
		}
		for name, content := range map[string][]byte{"-images-idx3-ubyte": images, "-labels-idx1-ubyte": labels} {
			err := compressing(filepath.Join(dir, split+name+ending), func(w io.Writer) error {
				_, err := w.Write(content)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
