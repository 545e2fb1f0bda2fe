// Asks one decision and says why, or what is wrong with the question. How to generate, compile and run it: docs/other-languages.md
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.policybook.v1.DecideRequest;
import dev.policybook.v1.DecideResponse;
import dev.policybook.v1.DecisionServiceGrpc;
import dev.policybook.v1.Money;
import dev.policybook.v1.Value;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

public final class Decide {
  // Calls are made again when the service is not there; a decision changes nothing, and with a request id it is recorded once.
  private static final Map<String, ?> RETRIES =
      Map.of("methodConfig", List.of(Map.of(
          "name", List.of(Map.of("service", "policybook.v1.DecisionService")),
          "retryPolicy", Map.of(
              "maxAttempts", 4.0, "initialBackoff", "0.1s", "maxBackoff", "2s", "backoffMultiplier", 3.0,
              "retryableStatusCodes", List.of("UNAVAILABLE")))));

  public static void main(String[] arguments) throws Exception {
    ManagedChannel channel =
        ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().defaultServiceConfig(RETRIES).enableRetry().build();
    try {
      DecisionServiceGrpc.DecisionServiceBlockingStub policies =
          DecisionServiceGrpc.newBlockingStub(channel).withDeadlineAfter(5, TimeUnit.SECONDS);
      DecideResponse answer =
          policies.decide(
              DecideRequest.newBuilder()
                  .setDecision("shop.order")
                  .setRequestId("SO-4711")
                  // Amounts are decimal text: BigDecimal's own, never a double.
                  .putFacts("amount", money(new BigDecimal(arguments[1])))
                  .putFacts("customer", Value.newBuilder().setText(arguments[2]).build())
                  .build());
      BigDecimal fee = new BigDecimal(answer.getOutputsOrThrow("fee").getMoney().getAmount());
      System.out.println(answer.getOutputsOrThrow("outcome").getText() + ", fee " + fee.toPlainString());
      answer.getMatchedRulesList().forEach(rule -> System.out.println(rule.getRowId() + " " + rule.getClausesList() + " " + rule.getSays()));
    } catch (StatusRuntimeException e) {
      com.google.rpc.Status status = StatusProto.fromThrowable(e);
      System.out.println(e.getStatus().getCode() + ": " + e.getStatus().getDescription());
      for (com.google.protobuf.Any detail : status == null ? List.<com.google.protobuf.Any>of() : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          System.out.println("reason " + detail.unpack(ErrorInfo.class).getReason());
        } else if (detail.is(BadRequest.class)) {
          detail.unpack(BadRequest.class).getFieldViolationsList().forEach(v -> System.out.println(v.getField() + ": " + v.getDescription()));
        }
      }
    } finally {
      channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
    }
  }

  private static Value money(BigDecimal amount) {
    return Value.newBuilder().setMoney(Money.newBuilder().setAmount(amount.toPlainString()).setCurrency("CNY")).build();
  }
}
