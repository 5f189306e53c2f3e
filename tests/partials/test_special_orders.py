"""Derivatives of special functions by orders and parameters, against numbers of 20 digits that other means gave."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.special as sp

import backpass as bp
from backpass.graph.errors import NoRuleError
from backpass.graph.op import OPS

from .references import close, differences

BESSEL = {
    "jv": (
        (0.5, 0.3, -0.82806773864264623, 1.1845684751659335),
        (2.5, 0.001, -1.4640995312731689e-8, 1.2688039727665035e-7),
        (2.5, 4.0, 0.056334712116954603, -0.35596591429328462),
        (10.0, 9.5, -0.088166475196866004, 0.020350212961892489),
        (30.0, 6.0, -1.3392521222444897e-18, 3.0738545308733696e-18),
        (0.3, 120.0, -0.068016947354002018, -0.14356177076003719),
        (-1.7, 2.2, -1.4012543699543523, 1.0021387436477983),
        (120.0, 121.0, -0.016099788305822645, -0.0017273322364756437),
    ),
    "yv": (
        (0.5, 0.3, -1.1302430731181836, -1.1693118812845136),
        (2.5, 0.001, -628567343.76458714, -5256777446.6834079),
        (2.5, 4.0, -0.41148599571987014, 0.029708740199208526),
        (10.0, 9.5, -0.16185611873909962, -0.041085756125144243),
        (30.0, 6.0, -42487467459180359.0, -97303723341963503.0),
        (0.3, 120.0, -0.091771236192645619, 0.1071558916969184),
        (-1.7, 2.2, 0.20305529401138106, 3.0713666373502307),
        (120.0, 121.0, -0.030130968377269597, 0.0021897231155684331),
    ),
    "iv": (
        (0.5, 0.3, -0.86215929182541956, 1.2667873222924678),
        (2.5, 0.001, -1.4640997472959269e-8, 1.2688041663683854e-7),
        (2.5, 4.0, -3.1210808122094619, 1.0092819104652953),
        (10.0, 9.5, -10.2320222681588, 8.8895614520656986),
        (30.0, 6.0, -2.4129894534039829e-18, 5.5850412875400411e-18),
        (0.3, 120.0, -1.193190690723184e48, -3.9742983233864386e48),
        (-1.7, 2.2, 0.8514093380192224, 1.3645076298906169),
        (120.0, 121.0, -6.46476632583431e26, 5.6301822669285771e26),
    ),
    "kv": (
        (0.5, 0.3, 1.4034805167168527, 3.7524332760681688),
        (2.5, 0.001, 987350972.03377942, 8257324355.1798548),
        (2.5, 4.0, 0.012041432378398088, 0.010996836022071162),
        (10.0, 9.5, 0.0029875728412510054, 0.002909420248497605),
        (30.0, 6.0, 36212983724159062.0, 83681013047318421.0),
        (0.3, 120.0, 2.1826573674404748e-56, 7.2809438140247426e-56),
        (-1.7, 2.2, -0.095237509340964583, 0.11067888381947398),
        (120.0, 121.0, 3.4789080630089253e-30, 3.0620484279406279e-30),
    ),
    "struve": (
        (0.5, 0.3, -0.15069471529662419, 0.30682443734185516),
        (0.0, 9.9, 0.60566146207864944, 0.28074615079216652),
        (0.3, 40.0, 0.13631888389854681, 0.53261584027326902),
        (30.0, 12.0, -8.1207150403207302e-10, 1.2998763755107639e-9),
        (-2.3, 20.0, 0.17342520928570826, 0.41151275008977954),
    ),
    "modstruve": (
        (0.5, 0.3, -0.15346752526627386, 0.31425516838078006),
        (-2.3, 4.0, 3.2157826056990556, 1.0210737954146016),
        (30.0, 12.0, -3.7900982118015082e-9, 6.254375025891991e-9),
        (7.0, 100.0, -5.9011051563279385e40, -4.267894456922281e39),
    ),
    "pbdv": (
        (0.5, 0.3, -0.68595642057908029, -0.82028241806107431),
        (3.0, -2.0, -3.7057650444248989, -0.44620747315609559),
        (10.3, 5.0, -1011.7049932021801, -2637.3553424196677),
        (0.0, -1.0, -2.1250265274714718, 0.28773925464096351),
        (-0.3, 12.0, 2.7373474160020134e-16, 6.8095911663080481e-16),
    ),
    "pbvv": (
        (0.5, 0.3, -1.0913732776933704, 1.4979975977036678),
        (3.0, -2.0, 0.44788771844622959, 0.67894927797623903),
        (10.3, 5.0, 0.00026312360954974542, -0.00018870644394085907),
        (0.0, -1.0, -1.5675399493362018, 4.1970551180038102),
        (-2.5, 4.0, -516.37338224325747, 766.8626817134541),
    ),
}
"""Function → (order, x, ∂/∂order, ∂²/∂order²), by mpmath's functions of 50 digits."""

BY_THE_OTHERS: dict[str, Any] = {
    "jve": (["jv"], lambda x, j: j),
    "yve": (["yv"], lambda x, y: y),
    "ive": (["iv"], lambda x, i: math.exp(-x) * i),
    "kve": (["kv"], lambda x, k: math.exp(x) * k),
    "hankel1": (["jv", "yv"], lambda x, j, y: j + 1j * y),
    "hankel2": (["jv", "yv"], lambda x, j, y: j - 1j * y),
    "hankel1e": (["jv", "yv"], lambda x, j, y: np.exp(-1j * x) * (j + 1j * y)),
    "hankel2e": (["jv", "yv"], lambda x, j, y: np.exp(1j * x) * (j - 1j * y)),
}
"""Function → those that it is made of, and how."""


def slopes(function: Any, v: Any, x: Any) -> tuple[Any, Any]:
    """∂/∂v and ∂²/∂v² of function(v, x), entry by entry."""
    one = np.ones_like(v)
    first = lambda v: bp.jvp(lambda v: function(v, x), (v,), (one,))[1]  # noqa: E731
    return bp.jvp(first, (v,), (one,))


def agree(found: Any, wanted: Any, tolerance: float) -> None:
    np.testing.assert_array_less(np.abs(np.asarray(found) - wanted), tolerance * np.abs(wanted))


@pytest.mark.parametrize("name", BESSEL)
def test_bessel_functions_by_their_order(name: str) -> None:
    v, x, *wanted = np.array(BESSEL[name]).T
    function = (lambda v, x: getattr(sp, name)(v, x)[0]) if name.startswith("pb") else getattr(sp, name)
    for found, known in zip(slopes(function, v, x), wanted, strict=True):
        agree(found, known, 1e-12)


@pytest.mark.parametrize("name", BY_THE_OTHERS)
def test_their_scaled_forms_and_hankel_functions(name: str) -> None:
    parts, made = BY_THE_OTHERS[name]
    v, x = (np.array([row[k] for row in BESSEL[parts[0]]]) for k in (0, 1))
    wanted = [
        [made(row[0][1], *[r[k] for r in row]) for row in zip(*map(BESSEL.get, parts), strict=True)] for k in (2, 3)
    ]
    for found, known in zip(slopes(getattr(sp, name), v, x), wanted, strict=True):
        agree(found, np.array(known), 1e-12)


def test_the_order_of_a_kernel_is_learned() -> None:
    """Matérn's covariance of distance r, by its smoothness ν."""

    def matern(v, r):
        return 2 ** (1 - v) / sp.gamma(v) * r**v * sp.kv(v, r)

    r = np.array([1e-3, 0.5, 2.0, 30.0])
    found = bp.jvp(lambda v: matern(v, r), (1.5,), (1.0,))[1]
    h = 1e-3
    stencil = [(1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280)]
    wanted = sum(w * (matern(1.5 + k * h, r) - matern(1.5 - k * h, r)) for k, w in stencil) / h
    close(found, wanted, 1e-10)


def test_where_there_is_no_derivative_by_the_order_it_is_nan() -> None:
    found = slopes(sp.jv, np.array([0.5, 0.5, 2.0]), np.array([0.0, -1.0, -1.0]))[0]
    np.testing.assert_array_equal(found, [0.0, np.nan, np.nan])


@pytest.mark.parametrize("name", ["jv", "kv", "hankel1", "jve", "hyp0f1"])
def test_complex_arguments_are_refused_by_the_order_alone(name: str) -> None:
    z = np.array([1.0 + 0.5j])
    with pytest.raises(NoRuleError, match="real arguments alone"):
        bp.vjp(lambda v: getattr(sp, name)(v, z), 1.5)[1](np.ones(1, complex))


ZETA = (
    (1.001, 0.5, -999998.6455713412, 2000000000.9701929),
    (2.5, 1.0, -0.38734195032620997, 0.58196892704206818),
    (3.0, 40.0, -0.001338171831116217, 0.0056688719584846814),
    (12.0, 0.02, 9.5508374155960573e20, 3.7363095690915675e21),
    (30.0, 1.5, -2.1145401350568621e-6, 8.5737278415244746e-7),
)
"""(s, q, ∂ζ(s, q)/∂s, ∂²ζ(s, q)/∂s²), by mpmath with 60 digits."""
RIEMANN = (
    (-9.7, -0.012239219132519099, 0.024124513881678874),
    (-3.3, 0.00837857995524234, -0.006105281370163987),
    (-0.5, -0.36085433959994761, -0.59622917676501596),
    (0.5, -3.9226461392091517, -16.008357013928661),
    (1.5, -3.9322397374311015, 15.989556371225687),
    (40.0, -6.3041377863301422e-13, 4.3696956988575952e-13),
)
"""(s, ζ′(s), ζ″(s)), by the same."""


def test_zeta_by_s() -> None:
    s, q, *wanted = np.array(ZETA).T
    for found, known in zip(slopes(sp.zeta, s, q), wanted, strict=True):
        agree(found, known, 1e-12)


@pytest.mark.parametrize("function", [lambda s, _: sp.zetac(s), lambda s, _: sp.zeta(s)], ids=["zetac", "zeta"])
def test_riemanns_zeta_by_s(function: Any) -> None:
    s, *wanted = np.array(RIEMANN).T
    for found, known in zip(slopes(function, s, None), wanted, strict=True):
        agree(found, known, 1e-12)


MATHIEU = {
    "mathieu_a": (
        (0.0, 0.05, -0.049972679827538636, -0.99836173184591181),
        (1.0, -3.0, 1.4387966548251494, -0.078034433898209846),
        (2.0, 1.0, 0.66731852390377536, 0.41508135969367239),
        (7.0, 1000.0, -1.5251608701031449, -0.00023796129606157379),
        (12.0, 3.0, 0.020985018296422671, 0.0069990069355923376),
    ),
    "mathieu_b": (
        (1.0, -3.0, 0.042853484708636043, -0.34443963422456876),
        (2.0, 1.0, -0.16524131766852725, -0.16243272026149229),
        (7.0, 1000.0, -1.5885859100574118, -0.00020604913512816878),
        (12.0, 3.0, 0.020985018296422036, 0.0069990069355900099),
    ),
}

SPHEROIDAL = {
    "pro_cv": (
        (0.0, 0.0, 0.1, 0.066607435636947446, 0.66489030058230825),
        (0.0, 3.0, 2.0, 2.1581826727413086, 1.1977033080338313),
        (1.0, 2.0, 8.0, 2.9690190080978057, 0.01491407685722983),
        (4.0, 9.0, 5.0, 4.1101509577235365, 0.81117821381052651),
        (2.0, 2.0, 30.0, 0.99776610746174427, 0.0001567813879575129),
    ),
    "obl_cv": (
        (0.0, 0.0, 0.1, -0.066725954133727104, -0.66844585461614305),
        (0.0, 3.0, 2.0, -1.9527132650671704, -0.90005931441595406),
        (1.0, 2.0, 8.0, -11.978408260769964, -2.0024846970385148),
        (4.0, 9.0, 5.0, -4.0861384408714281, -0.79707046021365194),
        (2.0, 2.0, 30.0, -53.997113641953454, -2.0002073741783259),
    ),
}
"""Function → (orders, q or c, the first and the second derivative), by mpmath's eigenvalues of 40 digits."""
SMIRNOV = (
    (4, 0.05, -1.323, -6.9300000000000001),
    (4, 0.6, -0.40450000000000008, 3.5400000000000003),
    (30, 0.02, -2.7856387298782834, -128.69924033873932),
    (30, 0.31, -0.091568442754482375, 3.2838761121417532),
    (400, 0.051, -9.9315409221015975, 623.92562964668003),
)
"""(n, d, the first and the second derivative of the sum by d), by mpmath with 50 digits."""


@pytest.mark.parametrize("name", MATHIEU | SPHEROIDAL)
def test_characteristic_values(name: str) -> None:
    *orders, q, first, second = np.array((MATHIEU | SPHEROIDAL)[name]).T
    for found, known in zip(slopes(lambda q, _: getattr(sp, name)(*orders, q), q, None), (first, second), strict=True):
        agree(found, known, 1e-12)


def test_smirnovs_distribution() -> None:
    n, d, first, second = np.array(SMIRNOV).T
    n = n.astype(int)
    for found, known in zip(slopes(lambda d, n: sp.smirnov(n, d), d, n), (first, second), strict=True):
        agree(found, known, 1e-11)
    p = sp.smirnov(n, d)
    for found, known in zip(slopes(lambda p, n: sp.smirnovi(n, p), p, n), (1 / first, -second / first**3), strict=True):
        agree(found, known, 1e-7)  # of the d that SciPy gives


HYPERGEOMETRIC = {
    "hyp0f1": (
        ((0.7, 3.0), (-17.961245977319948, 5.7959339067020081, 56.593460068258072, -11.668855736889108)),
        ((2.5, -0.4), (0.057971278889374993, 0.35626895560919706, -0.044986598094296531, -0.13044501367110149)),
        ((1.3, -60.0), (0.17229466964899048, 0.01259524392439056, -0.71335797291400246, -0.025155615360356043)),
        ((-1.6, 200.0), (-820585393765610.43, 22147820015640.004, 5341269059151857.6, -63371580203117.458)),
    ),
    "hyp1f1": (
        (
            (0.5, 1.5, 2.0),
            (3.3533021024873163, -1.3054600991210296, 1.2561505515313602, 2.7483872389899415, 3.430824603485143),
        ),
        (
            (3.2, 0.7, -25.0),
            (
                0.00013956538452494092,
                0.00019981348688035607,
                -1.2495143139093768e-5,
                0.00050526933584833065,
                1.6786568339476642e-5,
            ),
        ),
        (
            (-2.3, 1.4, 6.0),
            (0.93263814733781238, -5.0774925431162355, 1.413986049038918, -7.0244506796452998, 3.0349691380705823),
        ),
        (
            (1.0, 4.5, 300.0),
            (
                3.028862288757197e123,
                -2.0846652628093441e123,
                4.7749395208110284e122,
                1.8197239489260673e124,
                2.9951550724843833e123,
            ),
        ),
    ),
    "hyperu": (
        (
            (0.5, 1.5, 2.0),
            (
                -0.62713237141208803,
                0.13700329967781443,
                -0.17677669529663688,
                0.084548460424753613,
                -0.1411699465599105,
            ),
        ),
        (
            (12.0, -3.0, 0.03),
            (
                -1.1237097659329914e-11,
                5.9190661771940376e-12,
                -1.5325102372941503e-11,
                3.0643758731014405e-11,
                4.0930574339229376e-11,
            ),
        ),
        (
            (-3.4, 0.6, 5.0),
            (73.516190636418444, -7.0825766696546274, -7.6944169279744767, -6.800243236383964, 70.80420009179817),
        ),
        (
            (2.0, 2.0, 40.0),
            (
                -0.0022401526856454605,
                2.8111501245143614e-5,
                -2.911507962857627e-5,
                0.0083949967277258619,
                9.5546668109803121e-5,
            ),
        ),
    ),
    "hyp2f1": (
        (
            (0.5, 1.5, 2.5, 0.9),
            (
                1.8603503820584542,
                0.8082695170874717,
                -0.55005700113511962,
                2.4916236516396657,
                2.7127105996476952,
                9.0351050302555802,
            ),
        ),
        (
            (1.0, 2.0, 3.0, -12.0),
            (
                -0.25076193116428892,
                -0.085355111657879003,
                0.04880207355596304,
                0.0090198821853632519,
                0.51684666938232488,
                -0.0089096890727464009,
            ),
        ),
        (
            (-1.3, 2.4, 0.8, 0.4),
            (
                0.38801679859827506,
                -0.48940245206225477,
                1.5522837784898446,
                -2.7223661320658374,
                0.64363213044067838,
                -1.3344899540795631,
            ),
        ),
        (
            (3.0, 0.2, 4.0, -0.05),
            (
                -0.0023991364524331793,
                -0.036483384277808225,
                0.0017972543173210565,
                0.14311557667668808,
                2.7918511038537796e-5,
                0.046044888795736384,
            ),
        ),
    ),
    "wright_bessel": (
        (
            (0.5, 1.0, 2.0),
            (-5.6987642762583695, -1.4741710191057924, 5.5534308238161127, -0.67515406746964029, -8.8972405286713318),
        ),
        (
            (2.0, 3.0, 50.0),
            (-13.706566661426683, -8.1397586246969154, 0.14842880251697323, 55.481643533227272, -0.58332963921848994),
        ),
        (
            (0.1, 0.7, 20.0),
            (-4478058577.7461046, -226767907.38895466, 296034734.73844598, 24823330115.318499, -4601133678.6652415),
        ),
        (
            (0.0, 1.5, 3.0),
            (-2.4810374136345024, -0.8270124712115008, 22.664101424052665, -253.87529065221318, -3.3080498848460032),
        ),
    ),
}
"""Function → (arguments, first derivatives, ∂²/∂first², ∂²/∂first ∂last), by mpmath with 60 digits."""


@pytest.mark.parametrize("name", HYPERGEOMETRIC)
def test_hypergeometric_functions_by_their_parameters(name: str) -> None:
    function = getattr(sp, name)
    for arguments, wanted in HYPERGEOMETRIC[name]:
        gradient = bp.grad(function, argnums=tuple(range(len(arguments))))
        second = bp.jacobian(lambda *a, gradient=gradient: gradient(*a)[0], argnums=(0, len(arguments) - 1))(*arguments)
        agree([*gradient(*arguments), *second], np.array(wanted), 1e-12)


def test_series_that_do_not_converge_or_cancel_give_nan() -> None:
    assert np.isnan(bp.grad(sp.hyp2f1)(0.5, 1.5, 2.5, 0.9999))
    assert np.isnan(bp.grad(sp.hyp1f1)(-30.5, 1.4, 60.0))


@pytest.mark.parametrize(("b", "x"), [(20.0, 0.4), (1.5, 3.0), (-2.5, 7.0)])
def test_tricomis_function_where_it_is_a_polynomial(b: float, x: float) -> None:
    """1, x − b, x² − 2 (b + 1) x + b (b + 1): far smaller than what the function is at a + 1."""
    for a, wanted in ((0.0, 0.0), (-1.0, -1.0), (-2.0, 2 * b + 1 - 2 * x)):
        close(bp.grad(lambda b, a=a: sp.hyperu(a, b, x))(b), wanted, 1e-13)
    mixed = bp.grad(lambda x: bp.grad(lambda b: sp.hyperu(-2.0, b, x))(b))(x)
    close([bp.grad(bp.grad(lambda b: sp.hyperu(-2.0, b, x)))(b), mixed], [2.0, -2.0], 1e-13)


def test_tricomis_function_is_not_given_where_its_digits_are_lost() -> None:
    gradient = bp.grad(lambda b: sp.hyperu(-2 + 1e-12, b, np.array([0.4, 3.0]))[0])
    assert np.isnan(gradient(20.0))
    close(bp.grad(lambda b: sp.hyperu(-2 + 1e-12, b, 3.0))(1.5), -2.0, 1e-11)


POLYNOMIALS = {
    "eval_jacobi": (
        (
            (30, 0.7, 1.2, -0.6),
            (
                -0.19313297713897359,
                0.53511366175529314,
                -17.342204885099821,
                -0.047798488104340376,
                -2.8981232863463876,
            ),
        ),
        ((1, 0.0, 0.0, 0.3), (0.64999999999999999, -0.35000000000000001, 1.0, 0.0, 0.5)),
        (
            (2.5, 0.3, 0.4, 0.2),
            (
                0.21178809054162211,
                -0.26268824021354816,
                -0.01632463271700032,
                -0.40491737816609425,
                0.94388273555414446,
                -2.5704354110417646,
            ),
        ),
    ),
    "eval_gegenbauer": (
        ((40, 1.5, -0.4), (-1.3863765082661435, -258.8103710027014, 4.0210531621092268, -829.89539512663647)),
        (
            (3.3, 0.6, 0.2),
            (0.69114366697368731, -0.44406051908134458, -1.9946887104714469, 0.16463264093597904, -1.1118349754615875),
        ),
    ),
    "eval_genlaguerre": (
        ((40, 1.5, 12.0), (-76.099858170747053, -53.802577920874764, 150.66260706590943, -308.19687003436305)),
        (
            (3.3, 0.6, 2.0),
            (0.5616842851046304, -1.2041979867867426, 0.86228654829916787, 0.35930571489241741, 1.0978765227599924),
        ),
        (
            (2.2, -0.4, -3.0),
            (10.343379259855654, 5.1718148950488322, -5.9005012581539161, 7.5974418939132773, -7.1608149838092458),
        ),
    ),
    "eval_sh_jacobi": (
        (
            (4, 1.7, 0.9, 0.3),
            (
                0.0015805816032286601,
                -0.005457554427405716,
                0.040144294202966362,
                -0.0019224495573033764,
                -0.01767954075497715,
            ),
        ),
        (
            (2.5, 2.0, 1.5, 0.4),
            (
                0.059899968159403437,
                -0.019023076549450405,
                0.044863644985741201,
                -0.22605344211359898,
                -0.15307104284871861,
                0.19247959090568259,
            ),
        ),
    ),
    "eval_legendre": (
        ((2.5, 0.3), (-0.0083856529685838736, 0.13546984353485573, 0.73884008055321041, -1.8463883721865458)),
        ((4.0, -0.5), (-0.55435241123878162, 1.5625, 1.381644028337678, -2.8223349392498291)),
    ),
    "eval_laguerre": (
        ((2.5, 3.0), (1.5378398941706162, 1.4902888089009945, -0.99687585910852272, 0.48531529834228297)),
    ),
    "eval_chebyt": (
        ((2.5, 0.3), (0.029961481367355902, -0.062017367294604304, 1.6025696021869473, -3.3419709554465268)),
    ),
    "eval_sh_chebyu": (
        ((2.5, 0.3), (1.7153858098106635, -7.2421093714571962, -2.6114714976972048, 6.5396618036420546)),
    ),
    "eval_chebys": (
        ((2.5, 0.3), (0.36708237024683946, -0.53252140405768453, 1.9723927940455093, -2.5607349801784337)),
    ),
    "lpmv": (
        ((0, 2.5, 0.3), (-0.0083856529685838736, 0.13546984353485573, 0.73884008055321041, -1.8463883721865458)),
        ((2, 4.0, 0.6), (-1.5516553503884753, 26.640000000000002, -7.7839375374372512, 42.372705792989452)),
        ((-2, 3.3, 0.5), (-0.038581958390663264, 0.060953650384206891, 0.015168173271935473, 0.083405184140322201)),
        ((3, 7.3, -0.2), (236.97167469132951, -917.2764786942377, 2.3688876781355077, 134.94509245004318)),
    ),
}
"""Function → (arguments, derivatives in the floating ones, ∂²/∂first², ∂²/∂first ∂last), by mpmath with 50 digits."""


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_and_legendre_functions_by_degree_and_parameters(name: str) -> None:
    function = getattr(sp, name)
    for arguments, wanted in POLYNOMIALS[name]:
        places = tuple(k for k, a in enumerate(arguments) if isinstance(a, float))
        gradient = bp.grad(function, argnums=places)
        second = bp.jacobian(lambda *a, gradient=gradient: gradient(*a)[0], argnums=(places[0], places[-1]))(*arguments)
        np.testing.assert_allclose([*gradient(*arguments), *second], wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", ["cem", "sem"])
@pytest.mark.parametrize("part", [0, 1])
def test_mathieus_periodic_functions_by_q(kind: str, part: int) -> None:
    """Against differences of SciPy's values, of both signs of q, where SciPy changes signs with the order."""
    m, q, x = np.array([1.0, 2.0, 3.0, 4.0, 7.0]), np.array([0.7, 5.0, -2.0, -3.0, 20.0]), np.linspace(10.0, 80.0, 5)
    function = lambda q, x: getattr(sp, f"mathieu_{kind}")(m, q, x)[part]  # noqa: E731
    found = bp.vjp(lambda q: function(q, x), q)[1](np.ones(5))[0]
    close(found, np.diagonal(differences(lambda q: function(q, x), (q,), 0)), 1e-8)
    by_both = lambda x: bp.grad(lambda q: np.sum(function(q, x)))(q)  # noqa: E731
    mixed = bp.jvp(by_both, (x,), (np.ones(5),))[1]
    close(mixed, np.diagonal(differences(by_both, (x,), 0)), 1e-8)


@pytest.mark.parametrize(
    ("function", "places"),
    [
        (lambda v: sp.hyp0f1(v, 0.3), 0.7),
        (lambda v: sp.hyp0f1(v, -7.0), 0.7),
        (lambda v: sp.hyp0f1(0.7, v), 0.7),
        (lambda v: sp.pbvv(v, 0.3)[0], 1.0),
        (lambda a: sp.eval_jacobi(1.3, a, 0.4, 0.3), 0.4),
        (lambda n: sp.eval_jacobi(n, 0.2, 0.4, 0.3), 1.3),
        (lambda a: sp.eval_gegenbauer(1.3, a, 0.3), 0.4),
        (lambda v: sp.lpmv(1, v, 0.3), 2.3),
        (lambda v: sp.jv(v, 0.3), 1.3),
        (lambda v: sp.hyperu(v, 1.2, 0.3), 1.3),
        (lambda q: sp.mathieu_a(2, q), 1.3),
        (lambda c: sp.tklmbda(0.7, c), 0.3),
    ],
)
def test_an_entry_of_nan_leaves_the_others_as_they_are(function: Any, places: float) -> None:
    gradient = bp.grad(lambda v: np.sum(function(v)))
    found = gradient(np.array([places, np.nan]))
    close(found[0], gradient(np.array([places]))[0], 1e-14)
    assert np.isnan(found[1])


@pytest.mark.parametrize("degree", [np.nan, np.inf, 1e7])
def test_degrees_and_counts_that_are_not_numbers_or_too_large_give_nan(degree: float) -> None:
    assert np.isnan(bp.grad(lambda a: sp.eval_jacobi(degree, a, 0.4, 0.3))(0.2))
    assert np.isnan(bp.grad(lambda a: sp.eval_gegenbauer(degree, a, 0.3))(0.2))
    assert np.isnan(bp.grad(lambda a: sp.eval_genlaguerre(degree, a, 0.3))(0.2))
    assert np.isnan(OPS["lpmv_by_degree"](1, degree, 2.3, 0.3))
    assert np.isnan(OPS["smirnov_by_d"](1, degree, 0.3))


def test_what_would_take_too_many_nodes_is_nan() -> None:
    for name in ("mathieu_a", "mathieu_b"):
        assert np.isnan(OPS[f"{name}_by_q"](1, 2, 1e12))
    assert np.isnan(OPS["spheroidal_by_gamma2"](1, 0, 2, 1e16))
    orders = np.array([0.3, 1e9])
    for name in ("yv", "kv", "hankel1"):
        found = OPS[f"{name}_by_order"](1, orders, 2.0)
        assert not np.isnan(found[0])
        assert np.isnan(found[1])
    np.testing.assert_array_equal(OPS["jv_by_order"](1, orders, 2.0), [OPS["jv_by_order"](1, 0.3, 2.0), 0.0])
    assert np.isnan(OPS["hyperu_derivative"](1, 0, 0, 1e12, 1.0, 2.0))


def test_a_low_order_leaves_the_reciprocal_gamma_function_of_others_as_it_is() -> None:
    found = OPS["pbvv_by_order"](1, np.array([-12.3, 380.5]), 0.3)
    close(found[0], OPS["pbvv_by_order"](1, -12.3, 0.3), 1e-14)
