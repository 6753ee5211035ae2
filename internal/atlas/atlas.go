package atlas

import (
	"context"
	"math"
	"runtime"
)

type Graph struct {
	N, K     int
	Index    []int32
	Distance []float64
}

type Options struct {
	Threads  int
	Epochs   int
	Seed     uint64
	Progress func(done, total int)
}

var (
	early, late = 12.0, 1.0
	earlyShare  = 0.33
	rate        = 1.0
	momentum    = 0.8
	stale       = 1
	maxStep     = 5.0
)

func Layout(ctx context.Context, g Graph, start []float32, o Options) ([]float32, error) {
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	a := symmetrize(ctx, g, o.Threads)
	y := make([]float32, 2*g.N)
	next := make([]float32, 2*g.N)
	v := make([]float32, 2*g.N)
	var ss float64
	for i := 0; i < len(y); i += 2 {
		ss += float64(start[i]) * float64(start[i])
	}
	sd := math.Sqrt(ss / float64(g.N))
	for i := range y {
		y[i] = float32(float64(start[i]) / sd * 1e-4)
	}
	f := newField(g.N, o.Threads)
	var z float64
	for epoch := range o.Epochs {
		ex := early
		if float64(epoch) >= earlyShare*float64(o.Epochs) {
			ex = late
		}
		if epoch%stale == 0 || epoch < 20 {
			z = f.compute(ctx, y)
		} else if true {
			f.clampTo(y)
		}
		repel := float32(float64(g.N) / z / ex * rate)
		attract := float32(rate)
		parallel(ctx, o.Threads, g.N, 256, func(_, low, high int) {
			for i := low; i < high; i++ {
				x0, y0 := y[2*i], y[2*i+1]
				fx, fy := f.at(x0, y0)
				fx *= repel
				fy *= repel
				var ax, ay, sum float32
				for e := a.starts[i]; e < a.starts[i+1]; e++ {
					j, w := a.to[e], a.weight[e]
					dx, dy := y[2*j]-x0, y[2*j+1]-y0
					q := w / (1 + dx*dx + dy*dy)
					sum += w
					ax += q * dx
					ay += q * dy
				}
				s := 1 / max(1, sum)
				fx = (fx + attract*ax) * s
				fy = (fy + attract*ay) * s
				vx, vy := float32(momentum)*v[2*i]+fx, float32(momentum)*v[2*i+1]+fy
				if n := vx*vx + vy*vy; n > float32(maxStep*maxStep) {
					c := float32(maxStep) / float32(math.Sqrt(float64(n)))
					vx *= c
					vy *= c
				}
				v[2*i], v[2*i+1] = vx, vy
				next[2*i], next[2*i+1] = x0+vx, y0+vy
			}
		})
		y, next = next, y
		if o.Progress != nil {
			o.Progress(epoch+1, o.Epochs)
		}
	}
	debugSide, debugSpacing, debugZ = f.side, f.spacing, z
	return y, nil
}

var debugSide int
var debugSpacing float32
var debugZ float64

func (f *field) clampTo(y []float32) {
	hi := f.spacing * (float32(f.side/2) - 4.5)
	for i, v := range y {
		y[i] = min(max(v, f.origin[i%2]), f.origin[i%2]+hi)
	}
}
