package dataset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Python's pickles are programs for a stack machine. This reader runs those opcodes that plain data and NumPy arrays
// need, calls nothing, and imports nothing: what a pickle would call becomes a pickled value that names it. Opcodes are
// described in CPython's Lib/pickletools.py.

// pickled is an object that a pickle would make by calling something.
type pickled struct {
	callable string // module and name
	args     []any
	state    any
}

// blob is a string of bytes that stays where it is in the file.
type blob struct{ offset, size int64 }

const (
	// maxInline is the size up to which strings are read; longer ones become blobs. A record of CIFAR is longer.
	maxInline = 1 << 10
	// maxPickled bounds the values of a pickle: a batch of CIFAR has some tens of thousands.
	maxPickled = 1 << 22
)

var errPickleSize = fmt.Errorf("it holds more than %d values", maxPickled)

// mark is what MARK leaves on the stack.
type mark struct{}

// unpickler is the stack machine. After the first error every step does nothing.
type unpickler struct {
	in    *bufio.Reader
	at    int64
	err   error
	stack []any
	memo  map[uint64]any
	made  int
}

// unpickle reads one pickled value: nil, bool, int64, float64, string (text or bytes alike), blob, *[]any (list), []any
// (tuple), map[string]any (dict with keys that are text) or *pickled.
func unpickle(r io.Reader) (any, error) {
	u := &unpickler{in: bufio.NewReaderSize(r, 1<<16), memo: map[uint64]any{}}
	for u.err == nil {
		op := u.bytes(1)
		if u.err != nil {
			break
		}
		if op[0] == '.' {
			if v := u.pop(); u.err == nil {
				return v, nil
			}
			break
		}
		u.run(op[0])
	}
	if errors.Is(u.err, io.EOF) || errors.Is(u.err, io.ErrUnexpectedEOF) {
		u.err = errors.New("it ends before its last value")
	}
	return nil, fmt.Errorf("byte %d of the pickle: %w", u.at, u.err)
}

func (u *unpickler) fail(format string, args ...any) {
	if u.err == nil {
		u.err = fmt.Errorf(format, args...)
	}
}

func (u *unpickler) bytes(n int) []byte {
	b := make([]byte, n)
	if u.err != nil {
		return b
	}
	read, err := io.ReadFull(u.in, b)
	u.at += int64(read)
	if err != nil {
		u.err = err
	}
	return b
}

// uint reads a little-endian number of n bytes.
func (u *unpickler) uint(n int) uint64 {
	var b [8]byte
	copy(b[:], u.bytes(n))
	return binary.LittleEndian.Uint64(b[:])
}

// text reads n bytes; many of them become a blob.
func (u *unpickler) text(n uint64) any {
	if n <= maxInline {
		return string(u.bytes(int(n)))
	}
	if n > math.MaxInt32 {
		u.fail("a string of %d bytes", n)
		return ""
	}
	b := blob{u.at, int64(n)}
	skipped, err := u.in.Discard(int(n))
	u.at += int64(skipped)
	if err != nil {
		u.fail("%w", err)
	}
	return b
}

// line reads up to the next line break.
func (u *unpickler) line() string {
	text, err := u.in.ReadSlice('\n')
	u.at += int64(len(text))
	if err != nil {
		u.fail("%w", err)
		return ""
	}
	return string(text[:len(text)-1])
}

func (u *unpickler) push(v any) {
	if u.made++; u.made > maxPickled {
		u.fail("%w", errPickleSize)
		return
	}
	u.stack = append(u.stack, v)
}

func (u *unpickler) pop() any {
	if len(u.stack) == 0 {
		u.fail("an opcode finds nothing on the stack")
		return nil
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v
}

func (u *unpickler) top() any {
	v := u.pop()
	if u.err == nil {
		u.stack = append(u.stack, v)
	}
	return v
}

// popMark takes what lies above the last mark, and the mark.
func (u *unpickler) popMark() []any {
	for i, value := range slices.Backward(u.stack) {
		if value == (mark{}) {
			items := append([]any(nil), u.stack[i+1:]...)
			u.stack = u.stack[:i]
			return items
		}
	}
	u.fail("an opcode finds no mark on the stack")
	return nil
}

func (u *unpickler) popN(n int) []any {
	if len(u.stack) < n {
		u.fail("an opcode finds fewer than %d values on the stack", n)
		return nil
	}
	items := append([]any(nil), u.stack[len(u.stack)-n:]...)
	u.stack = u.stack[:len(u.stack)-n]
	return items
}

func (u *unpickler) run(op byte) {
	switch op {
	case 0x80: // PROTO
		u.bytes(1)
	case 0x95: // FRAME
		u.bytes(8)
	case '(':
		u.push(mark{})
	case '0': // POP
		u.pop()
	case 'N':
		u.push(nil)
	case 0x88, 0x89:
		u.push(op == 0x88)
	case 'K':
		u.push(int64(u.uint(1)))
	case 'M':
		u.push(int64(u.uint(2)))
	case 'J':
		u.push(int64(int32(u.uint(4))))
	case 0x8a: // LONG1
		u.long(int(u.uint(1)))
	case 'G':
		u.push(math.Float64frombits(binary.BigEndian.Uint64(u.bytes(8))))
	case 'U', 'C', 0x8c:
		u.push(u.text(u.uint(1)))
	case 'T', 'B', 'X':
		u.push(u.text(u.uint(4)))
	case 0x8d, 0x8e, 0x96:
		u.push(u.text(u.uint(8)))
	case 'q', 'r', 0x94, 'h', 'j':
		u.remember(op)
	case 'c', 0x93, 'R', 0x81, 'b':
		u.object(op)
	default:
		u.container(op)
	}
}

// long reads a number of n bytes in two's complement.
func (u *unpickler) long(n int) {
	if n > 8 {
		u.fail("a number of %d bytes", n)
		return
	}
	v := u.uint(n)
	if n > 0 && n < 8 && v>>(8*n-1) == 1 {
		v |= math.MaxUint64 << (8 * n)
	}
	u.push(int64(v))
}

func (u *unpickler) remember(op byte) {
	switch op {
	case 'q':
		u.put(u.uint(1))
	case 'r':
		u.put(u.uint(4))
	case 0x94: // MEMOIZE
		u.put(uint64(len(u.memo)))
	case 'h':
		u.get(u.uint(1))
	case 'j':
		u.get(u.uint(4))
	}
}

func (u *unpickler) put(at uint64) {
	if len(u.memo) >= maxPickled {
		u.fail("%w", errPickleSize)
		return
	}
	u.memo[at] = u.top()
}

func (u *unpickler) get(at uint64) {
	v, ok := u.memo[at]
	if !ok {
		u.fail("it refers to value %d, which is not there", at)
		return
	}
	u.push(v)
}

func (u *unpickler) object(op byte) {
	switch op {
	case 'c': // GLOBAL
		module := u.line()
		u.push(&pickled{callable: module + "." + u.line()})
	case 0x93: // STACK_GLOBAL
		name, _ := u.pop().(string)
		module, _ := u.pop().(string)
		u.push(&pickled{callable: module + "." + name})
	case 'R', 0x81: // REDUCE, NEWOBJ
		args, isTuple := u.pop().([]any)
		of, isObject := u.pop().(*pickled)
		if !isTuple || !isObject {
			u.fail("it calls what can't be called")
			return
		}
		u.push(&pickled{callable: of.callable, args: args})
	case 'b': // BUILD
		state := u.pop()
		of, isObject := u.top().(*pickled)
		if !isObject {
			u.fail("it sets the state of what has none")
			return
		}
		of.state = state
	}
}

func (u *unpickler) container(op byte) {
	switch op {
	case ')':
		u.push([]any{})
	case 0x85, 0x86, 0x87:
		u.push(u.popN(int(op) - 0x84))
	case 't':
		u.push(u.popMark())
	case ']':
		u.push(&[]any{})
	case 'l':
		items := u.popMark()
		u.push(&items)
	case '}':
		u.push(map[string]any{})
	case 'd':
		items := u.popMark()
		u.push(map[string]any{})
		u.set(items)
	case 'a':
		u.extend([]any{u.pop()})
	case 'e':
		u.extend(u.popMark())
	case 's':
		u.set(u.popN(2))
	case 'u':
		u.set(u.popMark())
	default:
		u.fail("opcode %#x is not one of plain data", op)
	}
}

func (u *unpickler) extend(items []any) {
	list, ok := u.top().(*[]any)
	if !ok {
		u.fail("it appends to what is not a list")
		return
	}
	*list = append(*list, items...)
}

func (u *unpickler) set(items []any) {
	dict, ok := u.top().(map[string]any)
	if !ok || len(items)%2 != 0 {
		u.fail("it sets items of what is not a dictionary")
		return
	}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(string)
		if !ok {
			u.fail("a dictionary's key is a %T: text is wanted", items[i])
			return
		}
		dict[key] = items[i+1]
	}
}

// bytesArray returns where a two-dimensional NumPy array of bytes lies in the file, and its shape.
func bytesArray(v any) (data blob, rows, columns int64, err error) {
	object, ok := v.(*pickled)
	if !ok {
		return blob{}, 0, 0, fmt.Errorf("a NumPy array is wanted, this is a %T", v)
	}
	var shape []any
	var item *pickled
	var fortran bool
	var content any
	switch state, _ := object.state.([]any); {
	case len(state) == 5: // version, shape, type, Fortran order, content
		shape, _ = state[1].([]any)
		item, _ = state[2].(*pickled)
		fortran, _ = state[3].(bool)
		if n, isNumber := state[3].(int64); isNumber {
			fortran = n != 0
		}
		content = state[4]
	case strings.HasSuffix(object.callable, "._frombuffer") && len(object.args) == 4: // protocol 5: content, type, shape, order
		content = object.args[0]
		item, _ = object.args[1].(*pickled)
		shape, _ = object.args[2].([]any)
		fortran = object.args[3] != "C"
	default:
		return blob{}, 0, 0, fmt.Errorf("a NumPy array is wanted, this is a %s", object.callable)
	}
	if item == nil || len(item.args) == 0 || item.args[0] != "u1" || len(shape) != 2 || fortran {
		return blob{}, 0, 0, errors.New("an array N×3072 of bytes (uint8) in row order is wanted")
	}
	rows, _ = shape[0].(int64)
	columns, _ = shape[1].(int64)
	data, ok = content.(blob)
	if !ok {
		return blob{}, 0, 0, errors.New("the array's bytes are not stored as such: save it with pickle protocol 4, or take the binary version")
	}
	if rows < 0 || columns < 1 || rows > math.MaxInt32 || columns > math.MaxInt32 || rows*columns != data.size {
		return blob{}, 0, 0, fmt.Errorf("an array of %d×%d bytes is said to have %d", rows, columns, data.size)
	}
	return data, rows, columns, nil
}
