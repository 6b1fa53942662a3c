package wrapper

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime/debug"
	"time"
)

// Running the handler within its time. Every call has a goroutine to itself, which is kept
// for the next one; when its time is over its context ends,
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
	timeout   time.Duration
	deadlines *deadlines
	places    chan struct{}
	// jobs is taken from by goroutines that have run a call before: their stacks have grown to what that takes.
	jobs    chan job
	onStuck func()
}

// job is a call to run, and where its outcome goes.
type job struct {
	parser func() (any, error)
	ended  chan<- outcome
}

func newInvoker(settings *settings, onStuck func()) *invoker {
	places := make(chan struct{}, settings.maxConcurrency)
	return &invoker{settings.timeout, newDeadlines(settings.timeout), places, make(chan job), onStuck}
}

// invoke runs the parser and returns how that ended; onStuck is called when it did not end at all.
func (i *invoker) invoke(c *call, parser func() (any, error)) outcome {
	if waited, got := i.takePlace(); !got {
		return outcome{failure: saturated(cap(i.places)), duration: waited}
	}
	began := time.Now()
	c.deadline = i.deadlines.add(began, c.event.deadlineAt)
	defer i.deadlines.remove(c.deadline)
	ended := make(chan outcome, 1)
	i.start(job{parser, ended})
	select {
	case made := <-ended:
		made.duration = time.Since(began)
		return made
	case <-c.deadline.passed:
		i.expectEnd(ended)
		return outcome{failure: i.timedOut(c.deadline, began), duration: time.Since(began)}
	}
}

func (i *invoker) timedOut(passed *deadline, began time.Time) *failure {
	if passed.timer == nil {
		return timedOut(i.timeout.Seconds(), "TIMEOUT_SECONDS")
	}
	return timedOut(max(0, passed.at.Sub(began).Seconds()), "the event's metadata.deadlineAt")
}

// takePlace waits for one of the places, at most as long as a call may run.
func (i *invoker) takePlace() (waited time.Duration, got bool) {
	select {
	case i.places <- struct{}{}:
		return 0, true
	default:
	}
	select {
	case i.places <- struct{}{}:
		return 0, true
	case <-time.After(i.timeout):
		return i.timeout, false
	}
}

// start hands the job to a goroutine that waits for one, or to a new one. One that is stuck never comes back.
func (i *invoker) start(next job) {
	select {
	case i.jobs <- next:
	default:
		go func() {
			for {
				i.run(next)
				next = <-i.jobs
			}
		}()
	}
}

func (i *invoker) run(next job) {
	var made outcome
	defer func() {
		if made.result == nil && made.failure == nil {
			made.failure = fromError(errNoReturn) // runtime.Goexit
		}
		<-i.places
		next.ended <- made
	}()
	made = settle(next.parser)
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
