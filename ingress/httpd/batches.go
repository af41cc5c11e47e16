package httpd

import (
	"context"
	"net/http"
	"time"

	"cellpost/sms"
)

// Batch is a submission of several messages, and how far it has come. Waiting are
// those that are to be sent, or are being sent.
type Batch struct {
	ID        string    `json:"id"`
	Account   string    `json:"account"`
	Source    string    `json:"source"`
	Created   time.Time `json:"created"`
	Coming    bool      `json:"coming_in,omitempty"` // it is not accepted yet
	Total     int64     `json:"total"`
	Waiting   int64     `json:"waiting"`
	Sent      int64     `json:"sent"` // and not confirmed
	Delivered int64     `json:"delivered"`
	Unknown   int64     `json:"unknown"`
	Failed    int64     `json:"failed"`
	Expired   int64     `json:"expired"`
	Cancelled int64     `json:"cancelled"`
}

// Cancelled is how much of a batch was stopped.
type Cancelled struct {
	Messages int `json:"messages"`
}

// Batches is what the API asks about submissions of several messages.
type Batches struct {
	List   func(ctx context.Context, limit int) ([]Batch, error)
	Show   func(ctx context.Context, id sms.ID) (Batch, error)
	Cancel func(ctx context.Context, id sms.ID) (int, error)
}

func (a *API) handleBatches(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/batches", a.listBatches)
	mux.HandleFunc("GET /v1/batches/{id}", func(w http.ResponseWriter, r *http.Request) {
		answerOne(a, w, r, a.Batches.Show)
	})
	mux.HandleFunc("POST /v1/batches/{id}/cancel", func(w http.ResponseWriter, r *http.Request) {
		answerOne(a, w, r, func(_ context.Context, id sms.ID) (Cancelled, error) {
			ctx, cancel := slow(w, r, LargeTime)
			defer cancel()
			n, err := a.Batches.Cancel(ctx, id)
			return Cancelled{n}, err
		})
	})
}

func (a *API) listBatches(w http.ResponseWriter, r *http.Request) {
	limit, ok := a.limit(w, r)
	if !ok {
		return
	}
	list, err := a.Batches.List(r.Context(), limit)
	if err != nil {
		a.fail(w, err)
		return
	}
	if list == nil {
		list = []Batch{}
	}
	a.reply(w, http.StatusOK, list)
}

// answerOne answers about what the path names.
func answerOne[T any](a *API, w http.ResponseWriter, r *http.Request, about func(context.Context, sms.ID) (T, error)) {
	id, err := sms.ParseID(r.PathValue("id"))
	if err != nil {
		a.fail(w, sms.ErrNoMessage)
		return
	}
	v, err := about(r.Context(), id)
	if err != nil {
		a.fail(w, err)
		return
	}
	a.reply(w, http.StatusOK, v)
}
