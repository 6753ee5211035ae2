// Package sandboxed decodes AVIF and JPEG XL with the reference decoders, libavif with libaom and libjxl, compiled to
// WebAssembly: a damaged file can crash or fill their sandbox, which ends with the call, not this process.
//
// The decoders say little about what they met. This package therefore reads the containers itself: for the size, for
// what is missing, and for the transforms that libavif leaves to its caller.
//
// Build with -tags nodynamic. Without it the modules that the decoders come in load the libavif and libjxl of the
// machine, if it has them, when the program starts. They are not used here: pixels do not depend on the tag or the
// machine.
package sandboxed

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"strings"
	"sync"
	_ "unsafe" // for the linknames

	// The decoders. Their own functions are not called: they free the memory that a picture is in before they return
	// it, which overwrites its first pixels.
	_ "github.com/gen2brain/avif"
	_ "github.com/gen2brain/jpegxl"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// ErrUnsupported is in the chain of the error for a valid file of a kind that is not read, and ErrTooLarge in that for
// one whose decoder needs more memory than it gets.
var (
	ErrUnsupported = errors.New("unsupported")
	ErrTooLarge    = errors.New("the decoder needs more memory than a sandbox has")
)

//go:linkname avifModule github.com/gen2brain/avif.decodeWasm
var avifModule []byte

//go:linkname jpegxlModule github.com/gen2brain/jpegxl.decodeWasm
var jpegxlModule []byte

// A decoder starts a sandbox for each picture, of the smallest size in which honest pictures of its pixels can be
// decoded: a file made to fill it doesn't get 4 GiB.
type decoder struct {
	name    string
	pixel   int64 // bytes that decoding takes of a sandbox, at the most
	sandbox [len(sandboxPages)]func() (program, error)
}

// sandboxPages are the sizes of sandboxes, in pages of 64 KiB.
var sandboxPages = [...]uint32{1 << 12, 1 << 14, 1 << 16}

const (
	pageSize = 1 << 16
	// atLeast is what a decoder takes besides, in bytes, for a picture of any size.
	atLeast = 64 << 20
)

type program struct {
	wazero.Runtime
	wazero.CompiledModule
}

// newDecoder compiles the module when it is first needed.
func newDecoder(name string, pixel int64, module *[]byte) *decoder {
	d := &decoder{name: name, pixel: pixel}
	code := sync.OnceValues(func() ([]byte, error) {
		unzipped, err := gzip.NewReader(bytes.NewReader(*module))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(unzipped)
	})
	compiled := wazero.NewCompilationCache()
	for i, pages := range sandboxPages {
		d.sandbox[i] = sync.OnceValues(func() (p program, err error) {
			code, err := code()
			if err != nil {
				return p, err
			}
			ctx := context.Background()
			p.Runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(compiled).WithMemoryLimitPages(pages))
			if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.Runtime); err != nil {
				return p, err
			}
			p.CompiledModule, err = p.CompileModule(ctx, code)
			return p, err
		})
	}
	return d
}

// start starts a sandbox for a picture of so many pixels in a file of so many bytes, which is copied into it, and
// returns the sandbox's size in bytes.
func (d *decoder) start(ctx context.Context, pixels, file int64) (module api.Module, most int64, err error) {
	i := 0
	for i < len(sandboxPages)-1 && d.pixel*pixels+2*file+atLeast > int64(sandboxPages[i])*pageSize {
		i++
	}
	p, err := d.sandbox[i]()
	if err != nil {
		return nil, 0, err
	}
	// Without a name there can be several at a time.
	module, err = p.InstantiateModule(ctx, p.CompiledModule, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	return module, int64(sandboxPages[i]) * pageSize, err
}

// decode returns the first picture in a file, which must be of a size. Stored is how many pixels its parts have in all.
func (d *decoder) decode(file []byte, size image.Point, stored int, isDeep func(depth uint32) bool) (*decoded, error) {
	// No time limit: code that wazero can interrupt takes four times as long.
	ctx := context.Background()
	module, most, err := d.start(ctx, int64(max(stored, size.X*size.Y)), int64(len(file)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	defer func() { _ = module.Close(ctx) }()
	result, err := call(ctx, module, file, size, isDeep)
	if err != nil && !errors.Is(err, ErrTooLarge) && int64(module.Memory().Size()) > most-most/8 {
		err = fmt.Errorf("%w (%d MiB): %w", ErrTooLarge, most>>20, err) // it has taken what there was
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	return result, nil
}

// What the modules' function decode gets pointers to, besides the file and the pixels.
const (
	widthAt, heightAt, depthAt, countAt = 0, 4, 8, 12
	delayAt                             = 16 // how long the picture is shown, in 4 or 8 bytes
	resultsSize                         = 24
)

// undecoded is not a duration. It stands where one is written after a picture's pixels.
const undecoded = 1<<64 - 1

func call(ctx context.Context, module api.Module, file []byte, size image.Point, isDeep func(depth uint32) bool) (*decoded, error) {
	memory := module.Memory()
	in, err := allocate(ctx, module, int64(len(file)))
	if err != nil {
		return nil, err
	}
	pixels := int64(size.X) * int64(size.Y)
	if pixels > math.MaxUint32/8 {
		return nil, ErrTooLarge
	}
	// Whether the picture is deep is only known afterwards.
	out, err := allocate(ctx, module, 8*pixels)
	if err != nil {
		return nil, err
	}
	results, err := allocate(ctx, module, resultsSize)
	if err != nil {
		return nil, err
	}
	memory.Write(in, file)
	memory.Write(results, make([]byte, resultsSize))
	memory.WriteUint64Le(results+delayAt, undecoded)
	const configOnly, all = 0, 0
	at := func(offset uint32) uint64 { return uint64(results + offset) }
	done, err := module.ExportedFunction("decode").Call(ctx, uint64(in), uint64(len(file)), configOnly, all,
		at(widthAt), at(heightAt), at(depthAt), at(countAt), at(delayAt), uint64(out))
	if err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n") // a stack trace follows
		return nil, fmt.Errorf("the decoder crashed: %s", reason)
	}
	read := func(offset uint32) uint32 {
		v, _ := memory.ReadUint32Le(results + offset)
		return v
	}
	// What failed after the headers is a success for libavif's module, without a duration.
	delay, _ := memory.ReadUint64Le(results + delayAt)
	if done[0] == 0 || read(countAt) == 0 || delay == undecoded {
		return nil, errors.New("the picture can't be decoded")
	}
	if w, h := int(read(widthAt)), int(read(heightAt)); w != size.X || h != size.Y {
		return nil, fmt.Errorf("%d×%d pixels, the headers say %d×%d", w, h, size.X, size.Y)
	}
	result := &decoded{size: size, deep: isDeep(read(depthAt))}
	result.pix, _ = memory.Read(out, uint32(pixels)*uint32(result.pixelSize()))
	return result, nil
}

// allocate returns where there is memory in the sandbox.
func allocate(ctx context.Context, module api.Module, size int64) (uint32, error) {
	if size > math.MaxUint32 {
		return 0, ErrTooLarge
	}
	at, err := module.ExportedFunction("malloc").Call(ctx, uint64(size))
	if err != nil {
		return 0, err
	}
	if at[0] == 0 {
		return 0, ErrTooLarge
	}
	return uint32(at[0]), nil
}
