package smtpd

import "github.com/emersion/go-sasl"

// loginServer is the server side of AUTH LOGIN, which go-sasl lacks and old
// devices speak. draft-murchison-sasl-login-00.
type loginServer struct {
	login func(user, password string) error

	user  string
	state loginState
}

type loginState int

const (
	loginStart loginState = iota
	loginUser
	loginPassword
	loginDone
)

// Next takes the user name, perhaps with the command itself, then the password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.state == loginStart {
		l.state = loginUser
		if response == nil {
			return []byte("Username:"), false, nil
		}
	}
	switch l.state {
	case loginUser:
		l.user, l.state = string(response), loginPassword
		return []byte("Password:"), false, nil
	case loginPassword:
		l.state = loginDone
		return nil, true, l.login(l.user, string(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}
