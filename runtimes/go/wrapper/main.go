// Package wrapper is the program around a Go parser: CloudEvents over HTTP in, response CloudEvents out.
//
// A generated `func main` calls Main with the parser's function; both are compiled into one static binary. Only the
// standard library is used. The package knows nothing of Kubernetes, brokers or builds; its settings come from
// the environment (settings.go).
//
// Files, lowest first: settings, events (requests to events, pure), call (what is known of one call), logs,
// failures (errors to error classes, pure), handlers (fitting the parser's function), invoker (running it within
// its time), replies (outcomes to responses, pure), metrics, app (routes), server.
package wrapper

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// Main serves the function until it is told to stop, and ends the process.
//
// Exit status: 0 after SIGTERM when every request in flight was answered; 1 when the function cannot be started (the
// last log line says why), a handler got stuck, or requests were still in flight at the end of the drain time.
func Main(handler any) {
	status := run(handler)
	output.flush()
	os.Exit(status)
}

func run(handler any) int {
	// From here on a signal waits until it can be acted on in order.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	settings, err := settingsFrom(os.Getenv)
	configureLogs(settings)
	if err != nil {
		return fail(err.Error())
	}
	call, err := fit(handler)
	if err != nil {
		return fail(settings.handler + " " + err.Error())
	}
	stop := make(chan struct{}, 1)
	app := newApp(settings, call, func() { stop <- struct{}{} })
	server, err := listen(settings, app)
	if err != nil {
		return fail("the port cannot be served: " + err.Error())
	}
	return serve(settings, app, server, signals, stop)
}

func serve(settings settings, app *app, server *server, signals <-chan os.Signal, stop <-chan struct{}) int {
	age := ageSeconds()
	app.metrics.ready(age)
	log := logger("wrapper")
	log.Info("ready", "handler", settings.handler, "port", server.port, "start_ms", math.Round(age*1000))
	select {
	case <-signals:
	case <-stop:
	}
	app.stopAccepting()
	limit, cancel := context.WithTimeout(context.Background(), settings.drain)
	defer cancel()
	drained := server.drain(limit)
	if !drained {
		log.Error("requests were still in flight at the end of the drain time")
	}
	log.Info("stopped")
	if !drained || app.stuck.Load() {
		return 1
	}
	return 0
}

func fail(message string) int {
	logger("wrapper").Log(context.Background(), levelCritical, message)
	return 1
}

func logger(name string) *slog.Logger {
	return slog.Default().With("logger", name)
}

// ageSeconds returns the age of this process, to 10 ms; 0 where the system does not tell.
func ageSeconds() float64 {
	const ticksPerSecond = 100 // what Linux tells to processes, on every architecture
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	uptime, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0
	}
	started, err := strconv.ParseFloat(string(fields[19]), 64)
	if err != nil {
		return 0
	}
	now, err := strconv.ParseFloat(string(bytes.Fields(uptime)[0]), 64)
	if err != nil {
		return 0
	}
	return max(0, now-started/ticksPerSecond)
}

// milliseconds rounds a duration to microseconds.
func milliseconds(duration time.Duration) float64 {
	return float64(duration.Microseconds()) / 1000
}
