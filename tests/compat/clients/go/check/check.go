// Package check is what the Go programs share: their arguments, and an end with a message at the first thing that is wrong.
package check

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

const Patience = 60 * time.Second

// Run is what one call is about; see ../README.md of the folder above.
type Run struct {
	Bootstrap, Topic, Variant string
	Count                     int
	Login                     *Login
}

// Login is who asks, over TLS.
type Login struct {
	User, Password, Mechanism string
	TLS                       *tls.Config
}

// WithPassword is the same run of somebody who takes another password.
func (r Run) WithPassword(password string) Run {
	other := *r.Login
	other.Password = password
	r.Login = &other
	return r
}

// login is nil when the test names no user.
func login() *Login {
	user, named := os.LookupEnv("MS_USER")
	if !named {
		return nil
	}
	authorities := x509.NewCertPool()
	That(authorities.AppendCertsFromPEM(Value(os.ReadFile(os.Getenv("MS_CA")))), "there is no authority in MS_CA")
	return &Login{User: user, Password: os.Getenv("MS_PASSWORD"), Mechanism: os.Getenv("MS_MECHANISM"), TLS: &tls.Config{RootCAs: authorities}}
}

// Main calls the scenario that the arguments name.
func Main(scenarios map[string]func(context.Context, Run)) {
	if len(os.Args) != 6 {
		Fail("usage: PROGRAM BOOTSTRAP SCENARIO TOPIC COUNT VARIANT")
	}
	scenario, known := scenarios[os.Args[2]]
	That(known, "there is no scenario %s", os.Args[2])
	count, err := strconv.Atoi(os.Args[4])
	Must(err)
	scenario(context.Background(), Run{Bootstrap: os.Args[1], Topic: os.Args[3], Count: count, Variant: os.Args[5], Login: login()})
	Say("ok")
}

func Fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}

func That(condition bool, format string, arguments ...any) {
	if !condition {
		Fail(format, arguments...)
	}
}

func Must(err error) {
	if err != nil {
		panic(err) // with the stack: it says which call it was
	}
}

func Value[T any](value T, err error) T {
	Must(err)
	return value
}

var saying sync.Mutex

// Say writes a line that the test reads.
func Say(format string, arguments ...any) {
	saying.Lock()
	defer saying.Unlock()
	fmt.Printf(format+"\n", arguments...)
}

// Until looks again and again until the condition holds.
func Until(what string, condition func() bool) {
	for deadline := time.Now().Add(Patience); !condition(); time.Sleep(10 * time.Millisecond) {
		That(time.Now().Before(deadline), "waited in vain until %s", what)
	}
}
