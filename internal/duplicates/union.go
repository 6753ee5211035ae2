package duplicates

// union is a union–find over n elements: the root of a set is its smallest element.
type union []int32

func newUnion(n int) union {
	u := make(union, n)
	for i := range u {
		u[i] = int32(i)
	}
	return u
}

func (u union) find(i int) int {
	for int(u[i]) != i {
		u[i] = u[u[i]] // halve the path
		i = int(u[i])
	}
	return i
}

// join puts two elements into one set and says whether they were apart.
func (u union) join(a, b int) bool {
	a, b = u.find(a), u.find(b)
	if a == b {
		return false
	}
	u[max(a, b)] = int32(min(a, b))
	return true
}
