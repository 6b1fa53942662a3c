package wrapper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"time"
)

// Running the handler within its time. Every call has a goroutine to itself; when its time is over its context ends,
// but nothing can end a goroutine from outside. A handler that has not ended shortly after is stuck: the instance
// then takes no new calls, lets the others finish and is replaced
// (docs/decisions/0051-stuck-handlers-in-node-and-go.md), so that stuck goroutines never pile up.

// grace is how long after its time a handler may still end without being taken for stuck.
const grace = 500 * time.Millisecond

var errNoReturn = errors.New("the handler ended its goroutine without returning")

// outcome is how a call ended: the result as JSON, or why there is none; never both.
type outcome struct {
	result   []byte
	failure  *failure
	duration time.Duration
}

// invoker calls one function, at most maxConcurrency times at once.
type invoker struct {
	timeout time.Duration
	places  chan struct{}
	onStuck func()
}

func newInvoker(settings *settings, onStuck func()) *invoker {
	return &invoker{settings.timeout, make(chan struct{}, settings.maxConcurrency), onStuck}
}

// invoke runs the parser and returns how that ended; onStuck is called when it did not end at all.
func (i *invoker) invoke(c *call, parser func() (any, error)) outcome {
	began := time.Now()
	limit, cancel := context.WithTimeout(c.Context, i.timeout)
	defer cancel()
	select {
	case i.places <- struct{}{}:
	case <-limit.Done():
		return outcome{failure: saturated(cap(i.places)), duration: time.Since(began)}
	}
	if waited := time.Since(began); waited > time.Millisecond {
		cancel()
		limit, cancel = context.WithTimeout(context.Background(), i.timeout)
		defer cancel()
		began = time.Now()
	}
	c.Context = limit
	ended := make(chan outcome, 1)
	go func() {
		var made outcome
		defer func() {
			if made.result == nil && made.failure == nil {
				made.failure = fromError(errNoReturn) // runtime.Goexit
			}
			<-i.places
			ended <- made
		}()
		made = settle(parser)
	}()
	select {
	case made := <-ended:
		made.duration = time.Since(began)
		return made
	case <-limit.Done():
		i.expectEnd(ended)
		return outcome{failure: timedOut(i.timeout.Seconds()), duration: time.Since(began)}
	}
}

func (i *invoker) expectEnd(ended <-chan outcome) {
	go func() {
		select {
		case <-ended:
		case <-time.After(grace):
			i.onStuck()
		}
	}()
}

// settle runs the parser and returns its result as JSON, or the failure; a panic ends the call only.
func settle(parser func() (any, error)) (made outcome) {
	defer func() {
		if value := recover(); value != nil {
			made = outcome{failure: fromError(asError(value))}
		}
	}()
	value, err := parser()
	if err != nil {
		return outcome{failure: fromError(err)}
	}
	result, err := toJSON(value)
	if err != nil {
		return outcome{failure: resultNotJSON(err)}
	}
	return outcome{result: result}
}

func asError(value any) error {
	return &panicked{value, string(debug.Stack())}
}

func toJSON(value any) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), err
}
