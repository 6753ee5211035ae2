package atlas

import "context"

func nil2() context.Context { return context.Background() }
