// Prints which tokens of the vectors the recipe believes; given as name and token, in turn.
public class Main {
  public static void main(String[] vectors) {
    KeyturnTokens tokens = new KeyturnTokens(System.getenv("JWT_SECRETS"));
    StringBuilder lines = new StringBuilder();
    for (int at = 0; at < vectors.length; at += 2) {
      boolean believed;
      try {
        believed = tokens.verify(vectors[at + 1]).getLongClaim("user_id") == 7;
      } catch (Exception refused) {
        believed = false;
      }
      lines.append(at == 0 ? "{" : ",").append('"').append(vectors[at]).append("\":").append(believed);
    }
    System.out.println(lines.append("}"));
  }
}
