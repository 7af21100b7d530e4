// Package dialog keeps conversations going over many messages: questions with checked answers, steps one after the other,
// dialogs inside dialogs. Where a conversation stands is a stack in its state, so it survives restarts, and a notification
// may put it aside and have it resume where it stopped.
//
// A [Waterfall] is a list of small functions, its steps. Each does one thing and returns an [Action]: ask something, begin
// another dialog, go on, end. A [Prompt] asks until it understands the answer, which the next step gets with its type. A
// [Set] holds the dialogs of a bot, and is a handler.
//
//	type booking struct {
//		City   string `json:"city"`
//		Guests int64  `json:"guests"`
//	}
//	type step = dialog.Step[booking, booking]
//
//	var (
//		city   = dialog.Text("city")
//		guests = dialog.Integer("guests").Retry("A number, please.")
//		book   = dialog.NewWaterfall("book",
//			func(ctx context.Context, s *step) (dialog.Action, error) { return city.Ask("Where to?"), nil },
//			func(ctx context.Context, s *step) (dialog.Action, error) {
//				s.Data.City = city.Answer(s)
//				return guests.Ask("How many are you?"), nil
//			},
//			func(ctx context.Context, s *step) (dialog.Action, error) {
//				s.Data.Guests = guests.Answer(s)
//				return s.End(s.Data), nil
//			})
//	)
//
//	set, err := dialog.NewSet(dialog.Config{}, book, city, guests)
//	mux.Text(set.Handle(book.Begin(booking{})), "book")
//	mux.Message(set.Or(help))
//
// The bot needs state.Middleware. What a dialog says and what it remembers belong to its turn: when the turn fails, the
// conversation stands where it stood.
//
// The stored stack has the layout of the Bot Framework SDK for JavaScript. Stacks that it, or those for .NET and Python,
// have stored go on where the names of dialogs match.
package dialog
