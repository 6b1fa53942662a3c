package wrapper

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	maxConnections = 512
	maxHeadBytes   = 32 << 10
	readTimeout    = 70 * time.Second
	writeTimeout   = 30 * time.Second
)

// fullHouse is what a peer gets for whom there is no connection left.
const fullHouse = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// server is net/http with limits, and a drain that lets go of peers that never sent anything.
type server struct {
	http  *http.Server
	port  int
	lock  sync.Mutex
	fresh map[net.Conn]struct{}
}

// listen serves the application until drain is called.
func listen(settings settings, application http.Handler) (*server, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(settings.host, strconv.Itoa(settings.port)))
	if err != nil {
		return nil, err
	}
	made := &server{port: listener.Addr().(*net.TCPAddr).Port, fresh: map[net.Conn]struct{}{}}
	made.http = &http.Server{
		Handler: application,
		// One limit for a request's head and body and for the time between two requests: each further one costs a
		// call a timer of the runtime's.
		ReadTimeout: readTimeout,
		// A call may wait for a place as long as it may run.
		WriteTimeout:   readTimeout + 2*settings.timeout + writeTimeout,
		MaxHeaderBytes: maxHeadBytes - 4096, // net/http allows 4096 more
		ConnState:      made.track,
		ErrorLog:       log.New(warnings{}, "", 0),
	}
	go func() {
		if err := made.http.Serve(&limited{Listener: listener}); !errors.Is(err, http.ErrServerClosed) {
			logger("wrapper.server").Error("connections can no longer be accepted", "error", err)
		}
	}()
	return made, nil
}

// drain accepts nothing new, lets idle peers go and waits until every request is answered; false when the context
// ended first.
func (s *server) drain(limit context.Context) bool {
	s.lock.Lock()
	for connection := range s.fresh {
		_ = connection.Close()
	}
	s.lock.Unlock()
	return s.http.Shutdown(limit) == nil
}

func (s *server) track(connection net.Conn, state http.ConnState) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if state == http.StateNew {
		s.fresh[connection] = struct{}{}
	} else {
		delete(s.fresh, connection)
	}
}

// warnings takes what net/http has to say of its connections.
type warnings struct{}

func (warnings) Write(line []byte) (int, error) {
	logger("wrapper.server").Log(context.Background(), slog.LevelDebug, "net/http", "error", string(line))
	return len(line), nil
}

// limited is a listener that turns peers away when there are too many.
type limited struct {
	net.Listener
	lock sync.Mutex
	open int
}

// Accept returns the next connection that there is room for.
func (l *limited) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.add(1) <= maxConnections {
			return &counted{Conn: connection, closed: sync.OnceFunc(func() { l.add(-1) })}, nil
		}
		l.add(-1)
		_ = connection.SetDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = connection.Write([]byte(fullHouse))
		_ = connection.Close()
	}
}

func (l *limited) add(change int) int {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.open += change
	return l.open
}

type counted struct {
	net.Conn
	closed func()
}

// CloseWrite lets net/http wait for the peer after a refusal, so that it gets to read why.
func (c *counted) CloseWrite() error {
	if half, able := c.Conn.(interface{ CloseWrite() error }); able {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection and makes room for another one.
func (c *counted) Close() error {
	c.closed()
	return c.Conn.Close()
}
