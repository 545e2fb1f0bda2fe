// Asks one decision and says why, or what is wrong with the question. How to generate, build and run it: docs/other-languages.md
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	policybookv1 "policybook.dev/v1"
)

// Calls are made again when the service is not there; a decision changes nothing, and with a request id it is recorded once.
const retries = `{"methodConfig": [{"name": [{"service": "policybook.v1.DecisionService"}],
  "retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 3, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func main() {
	connection, err := grpc.Dial(os.Args[1], grpc.WithInsecure(), grpc.WithDefaultServiceConfig(retries))
	if err != nil {
		panic(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := policybookv1.NewDecisionServiceClient(connection).Decide(ctx, &policybookv1.DecideRequest{
		Decision:  "shop.order",
		RequestId: "SO-4711",
		Facts: map[string]*policybookv1.Value{
			// Amounts are decimal text, never a float64; for arithmetic there are shopspring/decimal and cockroachdb/apd.
			"amount":   {Kind: &policybookv1.Value_Money{Money: &policybookv1.Money{Amount: os.Args[2], Currency: "CNY"}}},
			"customer": {Kind: &policybookv1.Value_Text{Text: os.Args[3]}},
		},
	})
	if err != nil {
		failed := status.Convert(err)
		fmt.Printf("%v: %s\n", failed.Code(), failed.Message())
		for _, detail := range failed.Details() {
			switch d := detail.(type) {
			case *errdetails.ErrorInfo:
				fmt.Println("reason", d.Reason)
			case *errdetails.BadRequest:
				for _, v := range d.FieldViolations {
					fmt.Printf("%s: %s\n", v.Field, v.Description)
				}
			}
		}
		return
	}
	fmt.Printf("%s, fee %s\n", answer.Outputs["outcome"].GetText(), answer.Outputs["fee"].GetMoney().Amount)
	for _, rule := range answer.MatchedRules {
		fmt.Println(rule.RowId, rule.Clauses, rule.Says)
	}
}
