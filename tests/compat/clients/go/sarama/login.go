package main

import (
	"context"
	"errors"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"millstream/clients/check"
)

// conversation is what Sarama asks for: it leaves SCRAM to a library of the user's choice.
type conversation struct {
	*scram.ClientConversation
	hash scram.HashGeneratorFcn
}

func (c *conversation) Begin(user, password, authorization string) error {
	client, err := c.hash.NewClient(user, password, authorization)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func logIn(config *sarama.Config, login *check.Login) {
	hash := scram.SHA256
	if login.Mechanism == sarama.SASLTypeSCRAMSHA512 {
		hash = scram.SHA512
	}
	config.Net.TLS.Enable, config.Net.TLS.Config = true, login.TLS
	config.Net.SASL.Enable, config.Net.SASL.Mechanism = true, sarama.SASLMechanism(login.Mechanism)
	config.Net.SASL.User, config.Net.SASL.Password = login.User, login.Password
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{hash: hash} }
}

func secure(ctx context.Context, run check.Run) {
	group(ctx, run)
	config := settings(run.WithPassword("wrong"))
	config.Metadata.Retry.Max = 0
	_, err := sarama.NewClient([]string{run.Bootstrap}, config)
	check.That(errors.Is(err, sarama.ErrSASLAuthenticationFailed), "a wrong password: %v", err)
	_, _, err = producer(run, func(*sarama.Config) {}).SendMessage(message("forbidden", "x"))
	check.That(errors.Is(err, sarama.ErrTopicAuthorizationFailed), "a topic without rights: %v", err)
}
